import { useCallback, useEffect, useRef, useState } from 'react';
import type { Mesh } from '../../client/mesh.ts';
import { messageOf } from '../../domain/errors.ts';
import type { Node } from '../../domain/node.ts';
import type { Task } from '../../domain/task.ts';
import { TASK_STATES, type TaskState } from '../../domain/task-state.ts';
import { type Snapshot, takeSnapshot } from '../../ops/snapshot.ts';
import { systemClock } from '../../platform/clock.ts';

const POLL_MS = 1_000;
/** More tasks than a screen has lines, so that a filter has something to find. */
const MOST_TASKS = 200;

/** The contents of the screen, as of the last read. */
export interface View {
  /** When it was read, by the clock of this machine, ms. */
  readonly readAt: number;
  readonly snapshot: Snapshot;
  readonly nodes: readonly Node[];
  /** Running tasks first, longest first; then the newest. */
  readonly tasks: readonly Task[];
}

/** Why the last read failed. A new object for each read, so that the age of the view on the screen grows. */
interface Outage {
  readonly why: string;
}

/** Reads the mesh every second, and at once on request. `view` is undefined until the first read. */
export function useView(
  mesh: Mesh,
  filter: string,
): { view: View | undefined; outage: Outage | undefined; look: () => void } {
  const [view, setView] = useState<View>();
  const [outage, setOutage] = useState<Outage>();
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let timer: NodeJS.Timeout | undefined;
    let isOpen = true;
    const look = async () => {
      try {
        const fresh = await readView(mesh, filter);
        if (!isOpen) return;
        setView(fresh);
        setOutage(undefined);
      } catch (error) {
        if (isOpen) setOutage({ why: messageOf(mesh.explain(error)) });
      }
      if (isOpen) timer = setTimeout(() => void look(), POLL_MS);
    };
    timer = setTimeout(() => void look(), asked > 0 ? 50 : 0);
    return () => {
      isOpen = false;
      clearTimeout(timer);
    };
  }, [mesh, filter, asked]);
  return { view, outage, look: useCallback(() => setAsked((count) => count + 1), []) };
}

async function readView(mesh: Mesh, filter: string): Promise<View> {
  // A state as the filter also finds tasks that are not among the newest.
  const state = (TASK_STATES as readonly string[]).includes(filter) ? (filter as TaskState) : undefined;
  const [{ snapshot, nodes }, active, newest] = await Promise.all([
    takeSnapshot(mesh, systemClock),
    state === undefined ? mesh.task.longestRunning(MOST_TASKS) : [],
    mesh.list({ state, limit: MOST_TASKS }),
  ]);
  const isActive = new Set(active.map(({ id }) => id));
  return {
    readAt: Date.now(),
    snapshot,
    nodes,
    tasks: [...active, ...newest.filter(({ id }) => !isActive.has(id))],
  };
}

/** A task with its log, read every second while the screen is open. */
export function useTaskLog(mesh: Mesh, id: string): { task: Task | undefined; log: readonly string[] } {
  const [seen, setSeen] = useState<{ task: Task | undefined; log: readonly string[] }>({ task: undefined, log: [] });
  const known = useRef<string[]>([]);
  useEffect(() => {
    let timer: NodeJS.Timeout | undefined;
    let isOpen = true;
    known.current = [];
    const look = async () => {
      try {
        const task = await mesh.get(id);
        if (task) known.current = [...known.current, ...(await mesh.task.logs(task, known.current.length))];
        if (isOpen) setSeen({ task, log: known.current });
      } catch {
        // The screen behind this one shows the Redis problem.
      }
      if (isOpen) timer = setTimeout(() => void look(), POLL_MS);
    };
    void look();
    return () => {
      isOpen = false;
      clearTimeout(timer);
    };
  }, [mesh, id]);
  return seen;
}
