import type { Task } from '../domain/task.ts';
import type { TaskState } from '../domain/task-state.ts';

export interface TaskFilter {
  readonly state?: TaskState | undefined;
  readonly pool?: string | undefined;
  readonly node?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Only failed tasks without an acknowledgement. */
  readonly unacknowledged?: boolean | undefined;
  readonly limit: number;
}

/** Tasks read per state and round trip, at most. */
const PAGE = 200;
/** Ids looked at first where a filter has to read the tasks themselves. */
const FIRST_LOOK = 1_000;
/** Maximum number of tasks per state that a filter reads, unless more are wanted, so that a rare tag does not read a million hashes. */
export const SCAN_LIMIT = 20_000;

/** How many tasks are read at once. Where no filter has to read them first, what is read first is what is wanted. */
export function pageOf(filter: TaskFilter): number {
  return readsTasks(filter) ? PAGE : Math.min(PAGE, filter.limit);
}

/**
 * How many ids of a state are looked at in the same step as those of all others; whole pages. `ordered`: the state is kept in
 * another order than that of time.
 */
export function firstLook(ordered: boolean, filter: TaskFilter): number {
  // In the order of their priorities or due times, any may be the newest.
  const least = ordered ? SCAN_LIMIT : readsTasks(filter) ? FIRST_LOOK : 0;
  const page = pageOf(filter);
  return Math.ceil(Math.max(least, filter.limit) / page) * page;
}

function readsTasks(filter: TaskFilter): boolean {
  return Boolean(filter.node || filter.tags || filter.unacknowledged);
}

export function matches(task: Task, filter: TaskFilter): boolean {
  if (filter.state && task.state !== filter.state) return false;
  if (filter.unacknowledged && (task.state !== 'failed' || task.acknowledgedAt !== null)) return false;
  if (filter.node && task.node !== filter.node) return false;
  return Object.entries(filter.tags ?? {}).every(([name, value]) => task.tags[name] === value);
}
