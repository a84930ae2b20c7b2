import type { Redis } from 'ioredis';
import { namedAt } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { TaskState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { firstLook, matches, pageOf, SCAN_LIMIT, statesOf, type TaskFilter } from '../task-filter.ts';
import { placeOf, replies, repliesAtOnce, STATE_KEYS, type StateKey } from './state-keys.ts';
import { type BullState, hashOf, LISTED_FIELDS, taskView, withResult } from './task-view.ts';

type Source = StateKey & { readonly pool: string };

/** What a bulk command needs to know of a task. */
export type SelectedTask = Pick<Task, 'id' | 'pool' | 'state' | 'enqueuedAt'>;

/** Results may have megabytes each. */
const RESULTS_AT_ONCE = 20;

/** Reads lists of tasks. Everything is paged, so that no reply of Redis is long. */
export class TaskLists {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Tasks that match, the most recently queued first; without their results, which may be long. */
  async list(filter: TaskFilter): Promise<Task[]> {
    return this.#found(filter, (task) => task);
  }

  /** As {@link list}, but only the ids, pools and states: the messages of many tasks may not fit into memory. */
  async select(filter: TaskFilter): Promise<SelectedTask[]> {
    return this.#found(filter, ({ id, pool, state, enqueuedAt }) => ({ id, pool, state, enqueuedAt }));
  }

  async #found<T extends SelectedTask>(filter: TaskFilter, keep: (task: Task) => T): Promise<T[]> {
    const pools = filter.pool ? [filter.pool] : await this.#pools();
    const only = statesOf(filter);
    const wanted = STATE_KEYS.filter(({ state }) =>
      only ? only.some((one) => bullStatesOf(one).includes(state)) : state !== 'cancelled',
    );
    const sources = pools.flatMap((pool) => wanted.map((source) => ({ pool, ...source })));
    // In one step: a task that moves between two reads would be found in neither state.
    const first = await repliesAtOnce(
      this.#redis,
      sources.map((source) => this.#idsOf(source, 0, firstLook(Boolean(source.decides), filter), filter)),
    );
    // On later pages, a task that moves may be found twice; its last position is the current one.
    const found = new Map<string, T>();
    for (const [index, source] of sources.entries()) {
      for (const task of await this.#scan(source, first[index] as string[], filter, keep))
        found.set(`${source.pool} ${task.id}`, task);
    }
    return [...found.values()].sort(byNewest).slice(0, filter.limit);
  }

  /** The same tasks with their results, which are read in batches, so that they are never in memory all at once. */
  async *withResults(tasks: readonly Task[]): AsyncGenerator<Task> {
    for (let start = 0; start < tasks.length; start += RESULTS_AT_ONCE) {
      const batch = tasks.slice(start, start + RESULTS_AT_ONCE);
      const stored = await replies(
        this.#redis,
        batch.map(({ id, pool }) => ['hget', this.#keys.task(pool, id), 'returnvalue']),
      );
      for (const [index, task] of batch.entries()) yield withResult(task, stored[index] as string | null);
    }
  }

  /** Running tasks, the longest first; at most `limit`. */
  async longestRunning(limit: number): Promise<Task[]> {
    const found: Task[] = [];
    for (const pool of await this.#pools()) {
      // Claims are pushed at the left.
      const ids = await this.#redis.lrange(this.#keys.pool(pool, 'active'), -limit, -1);
      found.push(...(await this.#readListed(pool, 'active', ids)));
    }
    return found.sort((a, b) => timeOf(a.startedAt) - timeOf(b.startedAt)).slice(0, limit);
  }

  /** Tasks that ended since `since` (Redis time, ms), the newest `limit` of each pool and state. */
  async endedSince(since: number, limit: number): Promise<Task[]> {
    const found: Task[] = [];
    for (const pool of await this.#pools()) {
      for (const state of ['completed', 'failed'] as const) {
        const key = this.#keys.pool(pool, state);
        const ids = await this.#redis.zrevrangebyscore(key, '+inf', since, 'LIMIT', 0, limit);
        found.push(...(await this.#readListed(pool, state, ids)));
      }
    }
    return found;
  }

  async #pools(): Promise<string[]> {
    return this.#redis.smembers(this.#keys.pools);
  }

  /** Continues from the ids of the first read, until enough of their tasks match. */
  async #scan<T>(source: Source, first: readonly string[], filter: TaskFilter, keep: (task: Task) => T): Promise<T[]> {
    const { pool, state, decides } = source;
    const found: T[] = [];
    const look = firstLook(Boolean(decides), filter);
    const seen = decides ? await this.#newestFirst(pool, first) : first;
    const page = pageOf(filter);
    const most = Math.max(SCAN_LIMIT, filter.limit);
    for (let start = 0; start < most && found.length < filter.limit; start += page) {
      const ids = start < look ? seen.slice(start, start + page) : await this.#page(source, start, page, filter);
      const tasks = await this.#readListed(pool, state, ids);
      found.push(...tasks.filter((task) => matches(task, filter)).map(keep));
      if (ids.length < page) break;
    }
    return found;
  }

  async #page(source: Source, start: number, count: number, filter: TaskFilter): Promise<string[]> {
    const [ids] = await replies(this.#redis, [this.#idsOf(source, start, count, filter)]);
    return ids as string[];
  }

  /** The command that reads `count` ids, the newest first if the state is ordered by time. */
  #idsOf(
    { pool, state, type, isEnded }: Source,
    start: number,
    count: number,
    { since, until }: TaskFilter,
  ): (string | number)[] {
    const place = placeOf(this.#keys, pool, state);
    if (isEnded && (since !== undefined || until !== undefined)) {
      // Their scores are the times at which they ended.
      const latest = until === undefined ? '+inf' : `(${until}`;
      return ['zrevrangebyscore', place, latest, since ?? '-inf', 'LIMIT', start, count];
    }
    return [type === 'list' ? 'lrange' : 'zrevrange', place, start, start + count - 1];
  }

  /** Sorts these ids by the time their tasks were queued, which most ids contain. */
  async #newestFirst(pool: string, ids: readonly string[]): Promise<string[]> {
    const times = new Map(ids.map((id) => [id, namedAt(id)]));
    const others = ids.filter((id) => times.get(id) === undefined);
    const read = await replies(
      this.#redis,
      others.map((id) => ['hget', this.#keys.task(pool, id), 'timestamp']),
    );
    for (const [index, id] of others.entries()) times.set(id, Number(read[index]) || 0);
    return [...ids].sort((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || (a < b ? 1 : -1));
  }

  async #readListed(pool: string, state: BullState, ids: readonly string[]): Promise<Task[]> {
    const rows = await replies(
      this.#redis,
      ids.map((id) => ['hmget', this.#keys.task(pool, id), ...LISTED_FIELDS]),
    );
    return rows.flatMap((row, index) => {
      const hash = hashOf(row as (string | null)[], LISTED_FIELDS);
      return hash ? [taskView(ids[index] as string, pool, state, hash)] : [];
    });
  }
}

function byNewest(a: SelectedTask, b: SelectedTask): number {
  return timeOf(b.enqueuedAt) - timeOf(a.enqueuedAt) || (a.id < b.id ? 1 : -1);
}

/** ms; a missing time counts as the latest possible. */
function timeOf(iso: string | null): number {
  return iso === null ? Number.MAX_SAFE_INTEGER : Date.parse(iso);
}

/** Held tasks are among the delayed ones. */
function bullStatesOf(state: TaskState): BullState[] {
  return state === 'waiting' ? ['wait', 'prioritized', 'delayed', 'waiting-children'] : [state];
}
