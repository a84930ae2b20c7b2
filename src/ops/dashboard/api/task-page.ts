import type { Task } from '../../../domain/task.ts';
import type { TaskState } from '../../../domain/task-state.ts';
import type { TaskFilter } from '../../../queue/task-filter.ts';

/** Maximum number of tasks of a state to read for one page: a rare word must not cause a read of a million tasks. */
const MOST_READ = 5_000;
/** Growth of the number of tasks that are read, while too few of them match. */
const GROWTH = 4;

/** What a page of tasks contains. */
export interface TaskPageQuery
  extends Pick<TaskFilter, 'pool' | 'node' | 'tags' | 'since' | 'until' | 'unacknowledged'> {
  /** Only tasks in these states; all if empty. */
  readonly states: readonly TaskState[];
  /** Only tasks that contain all words of this text; see {@link mentions}. */
  readonly text?: string | undefined;
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
  /** Number of matches up to it. At least as many tasks have to be read again for the next page. */
  readonly passed: number;
}

/** A cursor as it comes from a request. */
export const CURSOR = /^\d{1,16}-\d{1,6}-.{1,200}$/s;

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
  const { states, text = '', cursor, limit, ...filter } = query;
  const after = cursor === undefined ? undefined : positionOf(cursor);
  const wanted = states.length === 0 ? [undefined] : states;
  const passed = after?.passed ?? 0;
  for (let count = Math.min(MOST_READ, passed + limit + 1); ; count = Math.min(MOST_READ, count * GROWTH)) {
    const lists = await Promise.all(wanted.map((state) => list({ ...filter, state, limit: count })));
    // Tasks that come after the last one of a full list may be missing.
    const [horizon] = lists.flatMap((tasks) => (tasks.length < count ? [] : tasks.slice(-1))).sort(byNewest);
    const exhausted = horizon === undefined;
    // A task that has moved between two reads is in both; its later state is the current one.
    const tasks = [...new Map(lists.flat().map((task) => [`${task.pool} ${task.id}`, task])).values()]
      .filter((task) => (horizon === undefined || byNewest(task, horizon) <= 0) && isAfter(task, after))
      .filter((task) => mentions(task, text))
      .sort(byNewest);
    const page = tasks.slice(0, limit);
    const last = page.at(-1);
    if (tasks.length > limit && last) {
      return { tasks: page, next: cursorAfter(last, passed + limit), complete: true };
    }
    if (exhausted || count === MOST_READ) return { tasks: page, next: null, complete: exhausted };
  }
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

function cursorAfter(task: Task, passed: number): string {
  return `${enqueuedAt(task)}-${passed}-${task.id}`;
}

function positionOf(cursor: string): Position {
  const [at, passed, ...id] = cursor.split('-');
  return { at: Number(at), passed: Number(passed), id: id.join('-') };
}

function enqueuedAt({ enqueuedAt: time }: Task): number {
  return Date.parse(time);
}
