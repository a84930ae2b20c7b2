import type { Redis } from 'ioredis';
import { type HoldReason, parseHoldReason } from '../../domain/hold-reason.ts';
import { namedAt } from '../../domain/ids.ts';
import type { PoolCounts } from '../../domain/pool-counts.ts';
import type { ScheduleFailure } from '../../domain/schedule.ts';
import { sessionOf } from '../../domain/target.ts';
import type { Task, TaskRef } from '../../domain/task.ts';
import type { TaskState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { firstLook, matches, pageOf, SCAN_LIMIT, type TaskFilter } from '../task-filter.ts';
import { HELD_SCORE } from './held-tasks.ts';
import { poolCounts } from './pool-counts.ts';
import { findStrangers, type Strangers } from './strangers.ts';
import {
  type BullState,
  LISTED_FIELDS,
  RUN_FIELDS,
  stateOf,
  type TaskHash,
  taskView,
  withResult,
} from './task-view.ts';

/**
 * Where BullMQ keeps the ids of each state. New ids are added at the left of a list, and at the end of a sorted set,
 * unless `decides` names another order.
 */
const STATE_KEYS: readonly { state: BullState; type: 'list' | 'zset'; decides?: 'priority' | 'due time' }[] = [
  { state: 'active', type: 'list' },
  { state: 'wait', type: 'list' },
  { state: 'prioritized', type: 'zset', decides: 'priority' },
  { state: 'delayed', type: 'zset', decides: 'due time' },
  { state: 'waiting-children', type: 'zset' },
  { state: 'completed', type: 'zset' },
  // A subset of the failed tasks, for BullMQ.
  { state: 'cancelled', type: 'zset' },
  { state: 'failed', type: 'zset' },
];

type Source = (typeof STATE_KEYS)[number] & { readonly pool: string };

/** A longer text is not an id, characters. */
const MAX_ID_LENGTH = 1_000;

/** Which nodes ran a task, and when. */
export type TaskRunHistory = Pick<Task, 'history' | 'sessionMovedFrom'>;

/** The task that has waited longest. */
export interface OldestTask extends TaskRef {
  /** Time since it became ready to be claimed, ms. */
  readonly waitingMs: number;
}

/** Tasks of a pool that are held for one reason. */
export interface HeldTasks {
  readonly pool: string;
  /** The reason as stored in Redis. */
  readonly why: string;
  /** Undefined if this clawmesh does not know the reason. */
  readonly reason: HoldReason | undefined;
  readonly count: number;
  /** The sticky node of their session; null for another reason. */
  readonly stickyNode: string | null;
}

/** Results may have megabytes each. */
const RESULTS_AT_ONCE = 20;

/** Reads tasks. Everything comes from the queue itself; there are no separate records. */
export class TaskReader {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async pools(): Promise<string[]> {
    return (await this.#redis.smembers(this.#keys.pools)).sort();
  }

  /** The task with this id, in any pool; undefined if there is none. */
  async get(id: string): Promise<Task | undefined> {
    // Other programs that queue with BullMQ use other forms of ids.
    if (id === '' || id.length > MAX_ID_LENGTH) return undefined;
    const pools = await this.pools();
    const there = await Promise.all(pools.map((pool) => this.#isTask(this.#keys.task(pool, id))));
    const pool = pools[there.indexOf(true)];
    return pool === undefined ? undefined : this.#read(id, pool);
  }

  /** The states of these tasks, undefined for those that are gone. Cheap: reads neither messages nor long lists. */
  async states(tasks: readonly TaskRef[]): Promise<(TaskState | undefined)[]> {
    // An existing task that is in no other place is in line. The list of the line may be too long to search.
    const places = STATE_KEYS.filter(({ state }) => state !== 'wait');
    const width = places.length + 1;
    const replies = await this.#all(
      tasks.flatMap(({ id, pool }) => [
        ['hmget', this.#keys.task(pool, id), 'timestamp', 'cm:held'],
        ...places.map(({ state, type }) => [type === 'list' ? 'lpos' : 'zscore', this.#place(pool, state), id]),
      ]),
    );
    return tasks.map((_, index) => {
      const [hash, ...found] = replies.slice(index * width, (index + 1) * width);
      const [queuedAt, heldBy] = hash as (string | null)[];
      if (queuedAt === null) return undefined;
      const place = places[found.findIndex((reply) => reply !== null)];
      return stateOf(place?.state ?? 'wait', heldBy ?? null);
    });
  }

  /** The log lines of a task that are still kept, oldest first. */
  async logs(task: Task, from = 0): Promise<string[]> {
    return this.#redis.lrange(`${this.#keys.task(task.pool, task.id)}:logs`, from, -1);
  }

  /** Tasks that match, the most recently queued first. */
  async list(filter: TaskFilter): Promise<Task[]> {
    const pools = filter.pool ? [filter.pool] : await this.pools();
    const only = filter.unacknowledged ? 'failed' : filter.state;
    const wanted = STATE_KEYS.filter(({ state }) =>
      only ? bullStatesOf(only).includes(state) : state !== 'cancelled',
    );
    const sources = pools.flatMap((pool) => wanted.map((source) => ({ pool, ...source })));
    // In one step: a task that moves between two reads would be found in neither state.
    const first = await this.#atOnce(
      sources.map((source) => this.#idsOf(source, 0, firstLook(Boolean(source.decides), filter))),
    );
    // On later pages, a task that moves may be found twice; its last position is the current one.
    const found = new Map<string, Task>();
    for (const [index, source] of sources.entries()) {
      for (const task of await this.#scan(source, first[index] as string[], filter))
        found.set(`${source.pool} ${task.id}`, task);
    }
    const tasks = [...found.values()].sort(byNewest).slice(0, filter.limit);
    return filter.results ? this.#withResults(tasks) : tasks;
  }

  /** In batches, so that no reply holds all the results. */
  async #withResults(tasks: readonly Task[]): Promise<Task[]> {
    const complete: Task[] = [];
    for (let start = 0; start < tasks.length; start += RESULTS_AT_ONCE) {
      const batch = tasks.slice(start, start + RESULTS_AT_ONCE);
      const stored = await this.#all(batch.map(({ id, pool }) => ['hget', this.#keys.task(pool, id), 'returnvalue']));
      complete.push(...batch.map((task, index) => withResult(task, stored[index] as string | null)));
    }
    return complete;
  }

  /** Running tasks, the longest first; at most `limit`. */
  async longestRunning(limit: number): Promise<Task[]> {
    const found: Task[] = [];
    for (const pool of await this.pools()) {
      // Claims are pushed at the left.
      const ids = await this.#redis.lrange(this.#keys.pool(pool, 'active'), -limit, -1);
      found.push(...(await this.#readListed(pool, 'active', ids)));
    }
    return found.sort((a, b) => timeOf(a.startedAt) - timeOf(b.startedAt)).slice(0, limit);
  }

  /** Tasks that ended since `since` (Redis time, ms), the newest `limit` of each pool and state. */
  async endedSince(since: number, limit: number): Promise<Task[]> {
    const found: Task[] = [];
    for (const pool of await this.pools()) {
      for (const state of ['completed', 'failed'] as const) {
        const key = this.#keys.pool(pool, state);
        const ids = await this.#redis.zrevrangebyscore(key, '+inf', since, 'LIMIT', 0, limit);
        found.push(...(await this.#readListed(pool, state, ids)));
      }
    }
    return found;
  }

  /** Those of these tasks that still exist. */
  async getAll(ids: readonly string[]): Promise<Task[]> {
    return (await Promise.all(ids.map((id) => this.get(id)))).filter((task) => task !== undefined);
  }

  /** What BullMQ workers that are not nodes do in these pools; `now`: Redis time (ms). */
  async strangers(pools: readonly string[], now: number): Promise<Strangers[]> {
    return findStrangers(this.#redis, this.#keys, pools, now);
  }

  /** Which nodes ran these tasks and when; undefined for tasks that are gone. Reads neither messages nor results. */
  async runs(tasks: readonly TaskRef[]): Promise<(TaskRunHistory | undefined)[]> {
    const rows = await this.#all(tasks.map(({ id, pool }) => ['hmget', this.#keys.task(pool, id), ...RUN_FIELDS]));
    return rows.map((row, index) => {
      const hash = hashOf(row as (string | null)[], RUN_FIELDS);
      const { id, pool } = tasks[index] as TaskRef;
      return hash && taskView(id, pool, 'wait', hash);
    });
  }

  async counts(pools: readonly string[]): Promise<Map<string, PoolCounts>> {
    const replies = await this.#atOnce(
      pools.flatMap((pool) => [
        ...STATE_KEYS.map(({ state, type }) => [type === 'list' ? 'llen' : 'zcard', this.#place(pool, state)]),
        ['zcount', this.#keys.pool(pool, 'delayed'), HELD_SCORE, '+inf'],
        ['zcard', this.#keys.acknowledgedTasks(pool)],
        ['hmget', this.#keys.pool(pool, 'meta'), 'paused', 'cm:pause'],
      ]),
    );
    const width = STATE_KEYS.length + 3;
    return new Map(pools.map((pool, index) => [pool, poolCounts(replies.slice(index * width, (index + 1) * width))]));
  }

  /** The first task in line that was queued earliest; `now`: Redis time (ms). Undefined if none waits. */
  async oldestWaiting(pools: readonly string[], now: number): Promise<OldestTask | undefined> {
    const candidates = await Promise.all(
      pools.map(async (pool) => {
        const first = await this.#redis.lindex(this.#keys.pool(pool, 'wait'), '-1');
        const [prioritized] = await this.#redis.zrange(this.#keys.pool(pool, 'prioritized'), 0, '0');
        return [first, prioritized].flatMap((id) => (id ? [{ id, pool }] : []));
      }),
    );
    let oldest: OldestTask | undefined;
    for (const { id, pool } of candidates.flat()) {
      const queuedAt = Number(await this.#redis.hget(this.#keys.task(pool, id), 'timestamp'));
      const waitingMs = Math.max(0, now - queuedAt);
      if (queuedAt > 0 && (oldest === undefined || waitingMs > oldest.waitingMs)) oldest = { id, pool, waitingMs };
    }
    return oldest;
  }

  /** How long the first task in line of each pool has waited, ms; 0 if none waits, or the pool is paused. */
  async waitedMs(): Promise<ReadonlyMap<string, number>> {
    const [pools, now, inLine] = await Promise.all([this.pools(), redisTime(this.#redis), this.inLine()]);
    const waited = pools.map(async (pool) => {
      const oldest = inLine.get(pool) ? await this.oldestWaiting([pool], now) : undefined;
      return [pool, oldest?.waitingMs ?? 0] as const;
    });
    return new Map(await Promise.all(waited));
  }

  /** Number of tasks in line, by pool; paused pools are left out. */
  async inLine(): Promise<Map<string, number>> {
    const waiting = new Map<string, number>();
    for (const pool of await this.pools()) {
      const key = (what: string) => this.#keys.pool(pool, what);
      if (await this.#redis.hexists(key('meta'), 'paused')) continue;
      waiting.set(pool, (await this.#redis.llen(key('wait'))) + (await this.#redis.zcard(key('prioritized'))));
    }
    return waiting;
  }

  /** Number of held tasks, by pool and reason; for tasks of a session, with its sticky node. */
  async held(): Promise<HeldTasks[]> {
    const members = await this.#redis.smembers(this.#keys.held);
    return Promise.all(
      members.map(async (member) => {
        const [pool = '', why = ''] = member.split(' ');
        const reason = parseHoldReason(why);
        const session = reason?.kind === 'session' ? sessionOf(reason) : undefined;
        const stickyNode =
          session === undefined ? null : await this.#redis.hget(`${this.#keys.sessionPrefix}${session}`, 'node');
        return { pool, why, reason, stickyNode, count: await this.#redis.zcard(this.#keys.heldTasks(pool, why)) };
      }),
    );
  }

  /** Schedules whose next task the nodes could not queue. */
  async scheduleFailures(): Promise<ScheduleFailure[]> {
    const stored = await this.#redis.hgetall(this.#keys.scheduleFailures);
    return Object.entries(stored).map(([name, reason]) => ({ name, reason }));
  }

  /** Continues from the ids of the first read, until enough of their tasks match. */
  async #scan(source: Source, first: readonly string[], filter: TaskFilter): Promise<Task[]> {
    const { pool, state, decides } = source;
    const found: Task[] = [];
    const look = firstLook(Boolean(decides), filter);
    const seen = decides ? await this.#newestFirst(pool, first) : first;
    const page = pageOf(filter);
    const most = Math.max(SCAN_LIMIT, filter.limit);
    for (let start = 0; start < most && found.length < filter.limit; start += page) {
      const ids = start < look ? seen.slice(start, start + page) : await this.#page(source, start, page);
      const tasks = await this.#readListed(pool, state, ids);
      found.push(...tasks.filter((task) => matches(task, filter)));
      if (ids.length < page) break;
    }
    return found;
  }

  async #page(source: Source, start: number, count: number): Promise<string[]> {
    const [ids] = await this.#all([this.#idsOf(source, start, count)]);
    return ids as string[];
  }

  /** The command that reads `count` ids, the newest first if the state is ordered by time. */
  #idsOf({ pool, state, type }: Source, start: number, count: number): (string | number)[] {
    return [type === 'list' ? 'lrange' : 'zrevrange', this.#place(pool, state), start, start + count - 1];
  }

  /** Sorts these ids by the time their tasks were queued, which most ids contain. */
  async #newestFirst(pool: string, ids: readonly string[]): Promise<string[]> {
    const times = new Map(ids.map((id) => [id, namedAt(id)]));
    const others = ids.filter((id) => times.get(id) === undefined);
    const read = await this.#all(others.map((id) => ['hget', this.#keys.task(pool, id), 'timestamp']));
    for (const [index, id] of others.entries()) times.set(id, Number(read[index]) || 0);
    return [...ids].sort((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || (a < b ? 1 : -1));
  }

  async #readListed(pool: string, state: BullState, ids: readonly string[]): Promise<Task[]> {
    const rows = await this.#all(ids.map((id) => ['hmget', this.#keys.task(pool, id), ...LISTED_FIELDS]));
    return rows.flatMap((row, index) => {
      const hash = hashOf(row as (string | null)[], LISTED_FIELDS);
      return hash ? [taskView(ids[index] as string, pool, state, hash)] : [];
    });
  }

  /**
   * One step: a task that moves in the meantime must not appear as completed without its result, or be found nowhere.
   */
  async #read(id: string, pool: string): Promise<Task | undefined> {
    const [hash, ...places] = await this.#atOnce([
      ['hgetall', this.#keys.task(pool, id)],
      ...STATE_KEYS.map(({ state, type }) => [type === 'list' ? 'lpos' : 'zscore', this.#place(pool, state), id]),
    ]);
    if (!hash || Object.keys(hash).length === 0) return undefined;
    const index = places.findIndex((place) => place !== null && place !== undefined);
    return taskView(id, pool, STATE_KEYS[index]?.state ?? 'wait', hash as TaskHash);
  }

  /** Whether there is a task at this key. BullMQ keeps other data under similar keys, such as `meta`. */
  async #isTask(key: string): Promise<boolean> {
    try {
      const fields = await this.#redis.hmget(key, 'timestamp', 'data');
      return fields.every((field) => field !== null);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return false;
      throw error;
    }
  }

  /** The list or sorted set of the tasks in a state. */
  #place(pool: string, state: BullState): string {
    return state === 'cancelled' ? this.#keys.cancelledTasks(pool) : this.#keys.pool(pool, state);
  }

  /** The replies to all of these commands, sent at once. */
  async #all(commands: (string | number)[][]): Promise<unknown[]> {
    return commands.length === 0 ? [] : answersOf(await this.#redis.pipeline(commands).exec());
  }

  /** As {@link #all}, but in one step of Redis: nothing happens between two commands. */
  async #atOnce(commands: (string | number)[][]): Promise<unknown[]> {
    return commands.length === 0 ? [] : answersOf(await this.#redis.multi(commands).exec());
  }
}

function answersOf(replies: readonly [Error | null, unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}

function byNewest(a: Task, b: Task): number {
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

function hashOf(row: readonly (string | null)[], names: readonly string[]): TaskHash | undefined {
  if (row[0] === null) return undefined;
  return Object.fromEntries(names.flatMap((field, index) => (row[index] ? [[field, row[index]]] : [])));
}
