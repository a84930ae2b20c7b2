import type { Redis } from 'ioredis';
import { type HoldReason, parseHoldReason } from '../../domain/hold-reason.ts';
import type { PoolCounts } from '../../domain/pool-counts.ts';
import type { ScheduleFailure } from '../../domain/schedule.ts';
import { sessionOf } from '../../domain/target.ts';
import type { Task, TaskRef } from '../../domain/task.ts';
import type { TaskState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import type { TaskFilter } from '../task-filter.ts';
import { HELD_SCORE } from './held-tasks.ts';
import { poolCounts } from './pool-counts.ts';
import { placeOf, replies, repliesAtOnce, STATE_KEYS } from './state-keys.ts';
import { findStrangers, type Strangers } from './strangers.ts';
import { type IdPattern, TaskIds } from './task-ids.ts';
import { type SelectedTask, TaskLists } from './task-lists.ts';
import { hashOf, RUN_FIELDS, stateOf, type TaskHash, taskView } from './task-view.ts';

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

/** Reads tasks. Everything comes from the queue itself; there are no separate records. */
export class TaskReader {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #lists: TaskLists;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#lists = new TaskLists(redis, keys);
  }

  async pools(): Promise<string[]> {
    return (await this.#redis.smembers(this.#keys.pools)).sort();
  }

  /** The task with this id, in any pool; undefined if there is none. */
  async get(id: string): Promise<Task | undefined> {
    const found = await this.find(id);
    return found && this.#read(id, found.pool);
  }

  /** Where the task with this id is; undefined if there is none. */
  async find(id: string): Promise<TaskRef | undefined> {
    // Other programs that queue with BullMQ use other forms of ids.
    if (id === '' || id.length > MAX_ID_LENGTH) return undefined;
    const pools = await this.pools();
    const there = await Promise.all(pools.map((pool) => this.#isTask(this.#keys.task(pool, id))));
    const pool = pools[there.indexOf(true)];
    return pool === undefined ? undefined : { id, pool };
  }

  /** Tasks of any pool whose id matches, at most `limit`. */
  async matching(pattern: IdPattern, limit: number): Promise<TaskRef[]> {
    return new TaskIds(this.#redis, this.#keys).matching(await this.pools(), pattern, limit);
  }

  /** The states of these tasks, undefined for those that are gone. Cheap: reads neither messages nor long lists. */
  async states(tasks: readonly TaskRef[]): Promise<(TaskState | undefined)[]> {
    // An existing task that is in no other place is in line. The list of the line may be too long to search.
    const places = STATE_KEYS.filter(({ state }) => state !== 'wait');
    const width = places.length + 1;
    const answers = await replies(
      this.#redis,
      tasks.flatMap(({ id, pool }) => [
        ['hmget', this.#keys.task(pool, id), 'timestamp', 'cm:held'],
        ...places.map(({ state, type }) => [type === 'list' ? 'lpos' : 'zscore', placeOf(this.#keys, pool, state), id]),
      ]),
    );
    return tasks.map((_, index) => {
      const [hash, ...found] = answers.slice(index * width, (index + 1) * width);
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

  /** See {@link TaskLists.list}. */
  async list(filter: TaskFilter): Promise<Task[]> {
    return this.#lists.list(filter);
  }

  /** See {@link TaskLists.select}. */
  async select(filter: TaskFilter): Promise<SelectedTask[]> {
    return this.#lists.select(filter);
  }

  /** See {@link TaskLists.withResults}. */
  withResults(tasks: readonly Task[]): AsyncIterable<Task> {
    return this.#lists.withResults(tasks);
  }

  /** See {@link TaskLists.longestRunning}. */
  async longestRunning(limit: number): Promise<Task[]> {
    return this.#lists.longestRunning(limit);
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
    const rows = await replies(
      this.#redis,
      tasks.map(({ id, pool }) => ['hmget', this.#keys.task(pool, id), ...RUN_FIELDS]),
    );
    return rows.map((row, index) => {
      const hash = hashOf(row as (string | null)[], RUN_FIELDS);
      const { id, pool } = tasks[index] as TaskRef;
      return hash && taskView(id, pool, 'wait', hash);
    });
  }

  async counts(pools: readonly string[]): Promise<Map<string, PoolCounts>> {
    const answers = await repliesAtOnce(
      this.#redis,
      pools.flatMap((pool) => [
        ...STATE_KEYS.map(({ state, type }) => [type === 'list' ? 'llen' : 'zcard', placeOf(this.#keys, pool, state)]),
        ['zcount', this.#keys.pool(pool, 'delayed'), HELD_SCORE, '+inf'],
        ['zcard', this.#keys.acknowledgedTasks(pool)],
        ['hmget', this.#keys.pool(pool, 'meta'), 'paused', 'cm:pause'],
      ]),
    );
    const width = STATE_KEYS.length + 3;
    return new Map(pools.map((pool, index) => [pool, poolCounts(answers.slice(index * width, (index + 1) * width))]));
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

  /**
   * One step: a task that moves in the meantime must not appear as completed without its result, or be found nowhere.
   */
  async #read(id: string, pool: string): Promise<Task | undefined> {
    const [hash, ...places] = await repliesAtOnce(this.#redis, [
      ['hgetall', this.#keys.task(pool, id)],
      ...STATE_KEYS.map(({ state, type }) => [
        type === 'list' ? 'lpos' : 'zscore',
        placeOf(this.#keys, pool, state),
        id,
      ]),
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
}
