import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { TimelinePage } from '../api/timeline.ts';
import type { LiveMessage } from '../live.ts';
import { keyOf } from '../timeline.ts';
import { apiPath, request } from './requests.ts';
import { RunHistory } from './run-history.ts';
import { RunStore } from './run-store.ts';
import { changedMesh, type ShownMesh } from './shown-mesh.ts';

type MeshMessage = LiveMessage & { kind: 'mesh' };
type RunsMessage = LiveMessage & { kind: 'runs' };

/** The page's state of the mesh. */
export interface MeshState {
  readonly mesh: ShownMesh | undefined;
  /** Always the same object; `runsVersion` grows when its content changes. */
  readonly runs: RunStore;
  readonly runsVersion: number;
  readonly history: RunHistory;
  /** Redis time minus this browser's clock, ms. */
  readonly clockOffset: number;
  /** Why the page is not up to date. */
  readonly trouble: string | undefined;
}

/** ms */
const SAME_CLOCK_MS = 200;

type Change =
  | MeshMessage
  | { readonly kind: 'runs'; readonly now?: number }
  | { readonly kind: 'trouble'; readonly message: string };

function next(state: MeshState, change: Change): MeshState {
  if (change.kind === 'trouble') return { ...state, trouble: change.message };
  const clockOffset = offsetAfter(state.clockOffset, change.now);
  if (change.kind === 'runs') return { ...state, runsVersion: state.runs.version, clockOffset };
  return { ...state, mesh: changedMesh(state.mesh, change), clockOffset, trouble: undefined };
}

/** The way of a message takes a different time each; only a clock that was set makes a large difference. */
function offsetAfter(known: number, now: number | undefined): number {
  const offset = now === undefined ? known : now - Date.now();
  return Math.abs(offset - known) < SAME_CLOCK_MS ? known : offset;
}

/** Applies a message to the store. `lostAt`: when the live view was last heard of, by Redis time (ms). */
function takeRuns(runs: RunStore, history: RunHistory, message: RunsMessage, lostAt: number): void {
  if (message.all) {
    // What has stopped running in the meantime comes with the history.
    const open = new Set(message.changed.map(keyOf));
    for (const key of runs.running()) if (!open.has(key)) runs.delete(key);
    history.reopen(lostAt);
  }
  for (const task of message.changed) runs.set(task);
  for (const key of message.gone) runs.delete(key);
  history.trim();
}

async function loadHistory(before: number | undefined): Promise<TimelinePage> {
  return request<TimelinePage>(`${apiPath('timeline')}${before === undefined ? '' : `?before=${before}`}`);
}

/** The current state of the mesh, kept up to date by the server. */
export function useMesh(): MeshState {
  const announce = useRef<() => void>(() => {});
  const [state, change] = useReducer(next, undefined, () => {
    const runs = new RunStore();
    const history = new RunHistory(runs, loadHistory, () => announce.current());
    return { mesh: undefined, runs, runsVersion: 0, history, clockOffset: 0, trouble: undefined };
  });
  const { runs, history } = state;
  useEffect(() => {
    announce.current = () => change({ kind: 'runs' });
    let heardAt = 0;
    const source = new EventSource('/api/v1/live');
    const take = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as LiveMessage;
      if (message.kind === 'runs') takeRuns(runs, history, message, heardAt);
      // The first message after a pause is not the last one before it.
      if (message.kind === 'runs' || (message.kind === 'mesh' && !message.all)) heardAt = message.now;
      change(message);
    };
    for (const kind of ['mesh', 'runs', 'trouble']) source.addEventListener(kind, take);
    source.onerror = () => {
      change({ kind: 'trouble', message: 'lost the connection to the dashboard; trying again' });
      // The event does not say why; after a reload, the server redirects to the login if it has ended.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2_000);
    };
    return () => source.close();
  }, [runs, history]);
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
