import { useEffect, useReducer, useState } from 'preact/hooks';
import type { LiveMessage } from '../live.ts';
import type { TaskRuns } from '../timeline.ts';

type MeshMessage = LiveMessage & { kind: 'mesh' };
type RunsMessage = LiveMessage & { kind: 'runs' };

/** The page's state of the mesh. */
export interface MeshState {
  readonly mesh: MeshMessage | undefined;
  readonly runs: ReadonlyMap<string, TaskRuns>;
  /** Redis time minus this browser's clock, ms. */
  readonly clockOffset: number;
  /** Why the page is not up to date. */
  readonly trouble: string | undefined;
}

type Change = MeshMessage | RunsMessage | { readonly kind: 'trouble'; readonly message: string };

function next(state: MeshState, change: Change): MeshState {
  if (change.kind === 'trouble') return { ...state, trouble: change.message };
  const clockOffset = change.now - Date.now();
  if (change.kind === 'mesh') return { ...state, mesh: change, clockOffset, trouble: undefined };
  const runs = new Map(change.all ? [] : state.runs);
  for (const task of change.changed) runs.set(task.id, task);
  for (const id of change.gone) runs.delete(id);
  return { ...state, runs, clockOffset, trouble: undefined };
}

/** The current state of the mesh, kept up to date by the server. */
export function useMesh(): MeshState {
  const [state, change] = useReducer(next, {
    mesh: undefined,
    runs: new Map(),
    clockOffset: 0,
    trouble: undefined,
  });
  useEffect(() => {
    const source = new EventSource('/api/v1/live');
    const take = (event: MessageEvent<string>) => change(JSON.parse(event.data) as LiveMessage);
    for (const kind of ['mesh', 'runs', 'trouble']) source.addEventListener(kind, take);
    source.onerror = () => {
      change({ kind: 'trouble', message: 'lost the connection to the dashboard; trying again' });
      // The event does not say why; after a reload, the server redirects to the login if it has ended.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2_000);
    };
    return () => source.close();
  }, []);
  return state;
}

/** This browser's time, ms, updated at this interval. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** The part of the address after `#`, e.g. `/task/01k…`. */
export function useRoute(): string {
  const [route, setRoute] = useState(location.hash.slice(1));
  useEffect(() => {
    const changed = () => setRoute(location.hash.slice(1));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
