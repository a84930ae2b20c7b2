import type { ErrorKind } from '../domain/error-kind.ts';
import type { Task } from '../domain/task.ts';
import type { TaskState } from '../domain/task-state.ts';

export interface TaskFilter {
  /** Only tasks in this state, or in one of these. */
  readonly state?: TaskState | readonly TaskState[] | undefined;
  readonly pool?: string | undefined;
  readonly node?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Only tasks with this kind of error. */
  readonly kind?: ErrorKind | undefined;
  /** Only tasks whose message contains all these words, in any order and case. */
  readonly text?: string | undefined;
  /**
   * Only tasks that ended at or after this time, or that were enqueued then and have not ended (Redis time, ms). A list
   * that looks for what has failed lately must also find tasks that were enqueued long ago.
   */
  readonly since?: number | undefined;
  /** Only tasks that ended before this time, or that were enqueued before it and have not ended (Redis time, ms). */
  readonly until?: number | undefined;
  /** Only failed tasks without an acknowledgement. */
  readonly unacknowledged?: boolean | undefined;
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

/** Whether the filter depends on more than the pool and the state of a task. */
export function readsTasks({ node, tags, kind, text, since, until, unacknowledged }: Partial<TaskFilter>): boolean {
  return Boolean(node || tags || kind || text || unacknowledged || since !== undefined || until !== undefined);
}

/** The states of tasks that can match; undefined for all of them. */
export function statesOf({ state, unacknowledged }: Partial<TaskFilter>): readonly TaskState[] | undefined {
  if (unacknowledged) return ['failed'];
  return state === undefined || typeof state === 'object' ? state : [state];
}

export function matches(task: Task, filter: TaskFilter): boolean {
  const { node, tags = {}, kind, text, since = 0, until = Number.POSITIVE_INFINITY, unacknowledged } = filter;
  if (statesOf(filter)?.includes(task.state) === false) return false;
  if (unacknowledged && task.acknowledgedAt !== null) return false;
  if (node && task.node !== node) return false;
  if (kind && task.error?.kind !== kind) return false;
  const at = Date.parse(task.finishedAt ?? task.enqueuedAt);
  if (at < since || at >= until) return false;
  if (text && !containsWords(task.message, text)) return false;
  return Object.entries(tags).every(([name, value]) => task.tags[name] === value);
}

function containsWords(message: string, text: string): boolean {
  const searched = message.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => searched.includes(word));
}
