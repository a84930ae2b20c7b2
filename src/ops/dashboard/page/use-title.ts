import { useEffect, useState } from 'preact/hooks';
import type { TaskRef } from '../../../domain/task.ts';
import { keyOf } from '../timeline.ts';
import { apiPath, request } from './requests.ts';

/** A pointer that only passes asks for nothing, ms. */
const WAIT_MS = 150;

/** The beginning of a task's message, once it is known. */
export function useTitle(task: TaskRef | undefined): string | undefined {
  const [known, setKnown] = useState<{ readonly key: string; readonly title: string | null }>();
  const { pool, id } = task ?? {};
  useEffect(() => {
    if (pool === undefined || id === undefined) return;
    const path = apiPath('timeline', pool, id);
    // Without it, the text has the id alone.
    const ask = () => void request<{ key: string; title: string | null }>(path).then(setKnown, () => {});
    const timer = setTimeout(ask, WAIT_MS);
    return () => clearTimeout(timer);
  }, [pool, id]);
  return task && known?.key === keyOf(task) ? (known?.title ?? undefined) : undefined;
}
