import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { request } from './requests.ts';

export interface Fetched<T> {
  /** The last reply; undefined until the first one, and after the path has changed. */
  readonly data: T | undefined;
  /** Why the last request failed; empty if it did not. */
  readonly error: string;
  /** Fetches again now. */
  readonly reload: () => void;
}

/** Interval at which a page without a signal fetches again, ms. */
const REFRESH_MS = 5_000;

/**
 * The server's reply, fetched again when the path or the signal changes, but at most once per `minGapMs` and path.
 * Nothing is fetched for a hidden tab.
 */
export function useFetched<T>(path: string, signal: string, minGapMs = 1_000): Fetched<T> {
  const [answer, setAnswer] = useState<{ path: string; data: T | undefined; error: string }>();
  const [reloads, setReloads] = useState(0);
  const asked = useRef({ path: '', at: 0, reloads: 0 });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new signal means a new request
  useEffect(() => {
    const { current } = asked;
    const isNew = current.path !== path || current.reloads !== reloads;
    const waitMs = isNew ? 0 : Math.max(0, current.at + minGapMs - Date.now());
    const timer = setTimeout(() => {
      if (document.hidden && !isNew) return;
      asked.current = { path, at: Date.now(), reloads };
      const isCurrent = () => asked.current.path === path;
      request<T>(path).then(
        (data) => isCurrent() && setAnswer({ path, data, error: '' }),
        (thrown: Error) =>
          isCurrent() &&
          setAnswer((last) => ({ path, data: last?.path === path ? last.data : undefined, error: thrown.message })),
      );
    }, waitMs);
    return () => clearTimeout(timer);
  }, [path, signal, minGapMs, reloads]);
  const reload = useCallback(() => setReloads((count) => count + 1), []);
  const isCurrent = answer?.path === path;
  return { data: isCurrent ? answer.data : undefined, error: isCurrent ? answer.error : '', reload };
}

/** A signal for {@link useFetched} that changes every few seconds. */
export function useRefreshSignal(): string {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setCount((last) => last + 1), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return String(count);
}
