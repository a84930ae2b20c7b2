import type { Task } from '../../../domain/task.ts';
import type { TaskState } from '../../../domain/task-state.ts';
import type { TaskFilter } from '../../../queue/task-filter.ts';

/** Maximum number of tasks of a state to read for one page: a rare word must not cause a read of a million tasks. */
const MOST_READ = 5_000;
/** Growth of the number of tasks that are read, while too few of them match. */
const GROWTH = 4;

/** What a page of tasks contains. */
export interface TaskPageQuery extends Pick<TaskFilter, 'pool' | 'node' | 'tags' | 'unacknowledged'> {
  /** Only tasks in these states; all if empty. */
  readonly states: readonly TaskState[];
  /** Only tasks that contain all words of this text; see {@link mentions}. */
  readonly text?: string | undefined;
  /** Only tasks enqueued at or after this time, ms. */
  readonly from?: number | undefined;
  /** Only tasks enqueued before this time, ms. */
  readonly to?: number | undefined;
  /** `next` of the previous page. */
  readonly cursor?: string | undefined;
  /** Maximum number of tasks. */
  readonly limit: number;
}

export interface TaskPage {
  /** The newest first. */
  readonly tasks: Task[];
  /** The cursor of the next page; null on the last page. */
  readonly next: string | null;
  /** False if there may be older matches among the tasks that were not read. */
  readonly complete: boolean;
}

/** A position in the list of all tasks, newest first. */
interface Position {
  readonly at: number;
  readonly id: string;
}

/** A cursor as it comes from a request. */
export const CURSOR = /^\d{1,16}-.{1,200}$/s;

/**
 * One page of the tasks that match, newest first. A page is found by the time and id of the task before it, so new
 * tasks do not shift it.
 *
 * @param list reads the newest tasks that match
 */
export async function readTaskPage(
  list: (filter: TaskFilter) => Promise<readonly Task[]>,
  query: TaskPageQuery,
): Promise<TaskPage> {
  const { states, pool, node, tags, unacknowledged, limit } = query;
  const after = query.cursor === undefined ? undefined : positionOf(query.cursor);
  const wanted = states.length === 0 ? [undefined] : states;
  for (let count = Math.min(MOST_READ, limit + 1); ; count = Math.min(MOST_READ, count * GROWTH)) {
    const lists = await Promise.all(
      wanted.map((state) => list({ state, pool, node, tags, unacknowledged, limit: count })),
    );
    // Tasks that come after the last one of a full list may be missing.
    const [horizon] = lists.flatMap((tasks) => (tasks.length < count ? [] : tasks.slice(-1))).sort(byNewest);
    const exhausted = horizon === undefined || enqueuedAt(horizon) < (query.from ?? 0);
    // A task that has moved between two reads is in both; its later state is the current one.
    const tasks = [...new Map(lists.flat().map((task) => [`${task.pool} ${task.id}`, task])).values()]
      .filter((task) => (horizon === undefined || byNewest(task, horizon) <= 0) && isAfter(task, after))
      .filter((task) => isWanted(task, query))
      .sort(byNewest);
    const page = tasks.slice(0, limit);
    const last = page.at(-1);
    if (tasks.length > limit && last) return { tasks: page, next: cursorOf(last), complete: true };
    if (exhausted || count === MOST_READ) return { tasks: page, next: null, complete: exhausted };
  }
}

function isWanted(task: Task, { from, to, text = '' }: TaskPageQuery): boolean {
  const at = enqueuedAt(task);
  return (from === undefined || at >= from) && (to === undefined || at < to) && mentions(task, text);
}

/** Whether the id, message, error, agent, session, key or tags of a task contain every word, in upper or lower case. */
export function mentions(task: Task, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const { id, message, error, agent, session, key, tags } = task;
  const tagged = Object.entries(tags).map((tag) => tag.join('='));
  const content = [id, message, error?.kind, error?.message, agent, session, key, ...tagged].join('\n').toLowerCase();
  return words.every((word) => content.includes(word));
}

function isAfter(task: Task, position: Position | undefined): boolean {
  if (!position) return true;
  const at = enqueuedAt(task);
  return at < position.at || (at === position.at && task.id < position.id);
}

/** The order of the list. */
function byNewest(a: Task, b: Task): number {
  return enqueuedAt(b) - enqueuedAt(a) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

function cursorOf(task: Task): string {
  return `${enqueuedAt(task)}-${task.id}`;
}

function positionOf(cursor: string): Position {
  const dash = cursor.indexOf('-');
  return { at: Number(cursor.slice(0, dash)), id: cursor.slice(dash + 1) };
}

function enqueuedAt({ enqueuedAt: time }: Task): number {
  return Date.parse(time);
}
