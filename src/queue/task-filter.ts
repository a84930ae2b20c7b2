import type { Task } from '../domain/task.ts';
import type { TaskState } from '../domain/task-state.ts';

export interface TaskFilter {
  readonly state?: TaskState | undefined;
  readonly pool?: string | undefined;
  readonly node?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Only failed tasks without an acknowledgement. */
  readonly unacknowledged?: boolean | undefined;
  /** Also read the results, which may be long. Without it, `result` is null. */
  readonly results?: boolean | undefined;
  readonly limit: number;
}

/** Maximum number of tasks read per state and round trip. */
const PAGE = 200;
/** Ids read first if a filter has to read the tasks themselves. */
const FIRST_LOOK = 1_000;
/**
 * Maximum number of tasks per state that a filter reads, unless `limit` is larger, so that a rare tag does not cause a
 * read of a million hashes.
 */
export const SCAN_LIMIT = 20_000;

/** Number of tasks read at once. Without a filter on task contents, the first tasks read are the result. */
export function pageOf(filter: TaskFilter): number {
  return readsTasks(filter) ? PAGE : Math.min(PAGE, filter.limit);
}

/**
 * Number of ids of a state that are read in the same step as those of all other states; whole pages. `ordered`: the
 * state is not ordered by time.
 */
export function firstLook(ordered: boolean, filter: TaskFilter): number {
  // In the order of priorities or due times, any task may be the newest.
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
