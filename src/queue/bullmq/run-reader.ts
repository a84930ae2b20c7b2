import type { Redis } from 'ioredis';
import type { Task, TaskRef } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { replies } from './state-keys.ts';
import { readField, storedSpec } from './task-fields.ts';
import { type BullState, hashOf, RUN_FIELDS, taskView } from './task-view.ts';

/** A task with its history: which nodes ran it, and when. */
export type TaskHistory = Pick<Task, 'id' | 'pool' | 'history'>;

/** A page of ended tasks. */
export interface EndedTasks {
  readonly tasks: readonly TaskHistory[];
  /**
   * The page contains every task that ended since then (Redis time, ms); the next page begins here. Null if no earlier
   * task is kept.
   */
  readonly reach: number | null;
}

interface EndedFilter {
  /** Earliest end, Redis time (ms). */
  readonly since?: number | undefined;
  /** Latest end, Redis time (ms). */
  readonly until?: number | undefined;
  /** Approximate number of tasks per page. */
  readonly limit: number;
}

/** Number of tasks read in one round trip: about a millisecond of Redis time. */
const BATCH = 500;
/** The error of a failed task says whether it was cancelled. */
const ENDED_FIELDS = [...RUN_FIELDS, 'cm:error'] as const;

/** Reads which nodes ran which tasks, and when: neither messages nor results, so that thousands of tasks are cheap. */
export class RunReader {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Running tasks, at most `limit` per pool: those that were claimed last. */
  async active(limit: number): Promise<TaskHistory[]> {
    const pools = await this.#pools();
    const lists = await this.#all(pools.map((pool) => ['lrange', this.#keys.pool(pool, 'active'), 0, limit - 1]));
    return this.#read(refsOf(pools, lists), 'active');
  }

  /**
   * Tasks that have run, and now wait for another run: after a retry, a handover or a hold. Looks at the first `limit`
   * tasks of each line.
   */
  async interrupted(limit: number): Promise<TaskHistory[]> {
    const pools = await this.#pools();
    const lines = await this.#all(
      pools.flatMap((pool) => [
        // The head of this list is its end.
        ['lrange', this.#keys.pool(pool, 'wait'), -limit, -1],
        ['zrange', this.#keys.pool(pool, 'prioritized'), 0, limit - 1],
        ['zrange', this.#keys.pool(pool, 'delayed'), 0, limit - 1],
      ]),
    );
    const owners = pools.flatMap((pool) => [pool, pool, pool]);
    const tasks = await this.#read(refsOf(owners, lines), 'wait');
    return tasks.filter(({ history }) => history.some(({ event }) => event === 'claimed'));
  }

  /** These tasks, without those that no longer exist. Their histories do not say how they ended. */
  async of(tasks: readonly TaskRef[]): Promise<TaskHistory[]> {
    return this.#read(tasks, 'wait');
  }

  /** Ended tasks, the latest end first. Of more than `limit` tasks that ended in one millisecond, some are left out. */
  async ended({ since = 0, until, limit }: EndedFilter): Promise<EndedTasks> {
    const sources = (await this.#pools()).flatMap((pool) => [
      { pool, state: 'completed' as const },
      { pool, state: 'failed' as const },
    ]);
    const answers = await this.#all(
      sources.map(({ pool, state }) => {
        const key = this.#keys.pool(pool, state);
        return ['zrevrangebyscore', key, until ?? '+inf', since, 'WITHSCORES', 'LIMIT', 0, limit];
      }),
    );
    const found = sources.flatMap((source, index) =>
      scoredIds(answers[index]).map((entry) => ({ ...source, ...entry })),
    );
    found.sort((a, b) => b.endedAt - a.endedAt);
    // A source that has more than was read is complete only since its last entry.
    const lastRead = answers.flatMap((reply) => scoredIds(reply)[limit - 1]?.endedAt ?? []);
    const over = found[limit - 1];
    if (over && found.length > limit) lastRead.push(over.endedAt);
    const complete = lastRead.length === 0 ? undefined : Math.max(...lastRead);
    const taken = complete === undefined ? found : found.filter(({ endedAt }) => endedAt >= complete);
    const tasks: TaskHistory[] = [];
    for (const state of ['completed', 'failed'] as const) {
      const inState = taken.filter((task) => task.state === state);
      tasks.push(...(await this.#read(inState, state)));
    }
    return { tasks, reach: complete === undefined ? null : Math.min(complete, (until ?? complete + 1) - 1) };
  }

  /** The beginning of the task's message; null if the task no longer exists. */
  async title({ id, pool }: TaskRef, length: number): Promise<string | null> {
    const data = await this.#redis.hget(this.#keys.task(pool, id), 'data');
    return readField(storedSpec, data)?.message.slice(0, length) ?? null;
  }

  async #pools(): Promise<string[]> {
    return this.#redis.smembers(this.#keys.pools);
  }

  async #read(tasks: readonly TaskRef[], state: BullState): Promise<TaskHistory[]> {
    const fields = state === 'failed' ? ENDED_FIELDS : RUN_FIELDS;
    const found: TaskHistory[] = [];
    for (let start = 0; start < tasks.length; start += BATCH) {
      const batch = tasks.slice(start, start + BATCH);
      const rows = await this.#all(batch.map(({ id, pool }) => ['hmget', this.#keys.task(pool, id), ...fields]));
      for (const [index, { id, pool }] of batch.entries()) {
        const hash = hashOf(rows[index] as (string | null)[], fields);
        if (hash) found.push({ id, pool, history: taskView(id, pool, state, hash).history });
      }
    }
    return found;
  }

  async #all(commands: (string | number)[][]): Promise<unknown[]> {
    return replies(this.#redis, commands);
  }
}

function refsOf(pools: readonly string[], lists: readonly unknown[]): TaskRef[] {
  return pools.flatMap((pool, index) => (lists[index] as string[]).map((id) => ({ id, pool })));
}

/** The reply to a range `WITHSCORES`: ids and scores take turns. */
function scoredIds(reply: unknown): { id: string; endedAt: number }[] {
  const flat = reply as string[];
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    id: flat[2 * index] as string,
    endedAt: Number(flat[2 * index + 1]),
  }));
}
