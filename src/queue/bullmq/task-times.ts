import type { Redis } from 'ioredis';
import * as z from 'zod';
import { type Percentiles, percentilesOf } from '../../domain/percentiles.ts';
import type { Task } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { readField } from './task-fields.ts';
import { RUN_FIELDS, type TaskHash, taskView } from './task-view.ts';

/** Number of newest ended tasks that are read per pool and state. One costs about 500 bytes; none costs its message. */
const SAMPLE = 1_000;
/** The delay that a task was enqueued with is in BullMQ's options; its field `delay` is the current one. */
const FIELDS = [...RUN_FIELDS, 'opts'] as const;
const options = z.object({ delay: z.number().optional() });

/** How long the tasks of a pool that ended in a period have waited and run. */
export interface PoolTimes {
  /** Name of the pool. */
  readonly pool: string;
  /** Number of tasks that completed or failed for good in the period, and are still kept. */
  readonly ended: number;
  /** Number of these tasks, the newest, that the percentiles are computed from. */
  readonly sampled: number;
  /** Time from when a task could run (its enqueue plus its delay) to its first claim, ms; null if no task was claimed. */
  readonly wait: Percentiles | null;
  /** Time from the last claim of a task to its end, ms; null if no task was claimed. */
  readonly run: Percentiles | null;
}

/**
 * The waiting and running times of the tasks that ended since `since` (Redis time, ms).
 *
 * They come from the ended tasks themselves, so nothing else is stored: expired and removed tasks no longer count. At
 * most 2,000 tasks of each pool are read, without their messages and results.
 */
export async function readTaskTimes(
  redis: Redis,
  keys: MeshKeys,
  pools: readonly string[],
  since: number,
): Promise<PoolTimes[]> {
  return Promise.all(
    pools.map(async (pool) => {
      const states = await Promise.all(
        (['completed', 'failed'] as const).map(async (state) => {
          const key = keys.pool(pool, state);
          const [ended, ids] = await Promise.all([
            redis.zcount(key, since, '+inf'),
            redis.zrevrangebyscore(key, '+inf', since, 'LIMIT', 0, SAMPLE),
          ]);
          return { ended, times: await timesOf(redis, keys, pool, state, ids) };
        }),
      );
      const times = states.flatMap((state) => state.times);
      return {
        pool,
        ended: states.reduce((sum, state) => sum + state.ended, 0),
        sampled: times.length,
        wait: percentilesOf(times.flatMap(({ waitMs }) => waitMs ?? [])),
        run: percentilesOf(times.flatMap(({ runMs }) => runMs ?? [])),
      };
    }),
  );
}

interface Times {
  readonly waitMs: number | undefined;
  readonly runMs: number | undefined;
}

async function timesOf(
  redis: Redis,
  keys: MeshKeys,
  pool: string,
  state: 'completed' | 'failed',
  ids: readonly string[],
): Promise<Times[]> {
  if (ids.length === 0) return [];
  const replies = await redis.pipeline(ids.map((id) => ['hmget', keys.task(pool, id), ...FIELDS])).exec();
  return (replies ?? []).flatMap(([error, reply], index) => {
    if (error) throw error;
    const row = reply as (string | null)[];
    // The task was removed since its id was read.
    if (row[0] === null) return [];
    const hash: TaskHash = Object.fromEntries(
      FIELDS.flatMap((name, place) => (row[place] ? [[name, row[place]]] : [])),
    );
    const delayMs = readField(options, hash.opts)?.delay ?? 0;
    return [timesIn(taskView(ids[index] as string, pool, state, hash), delayMs)];
  });
}

function timesIn({ enqueuedAt, startedAt, finishedAt, history }: Task, delayMs: number): Times {
  const firstClaim = history.find(({ event }) => event === 'claimed')?.at;
  const between = (from: number, to: string | null | undefined) =>
    to === null || to === undefined ? undefined : Math.max(0, Date.parse(to) - from);
  return {
    waitMs: between(Date.parse(enqueuedAt) + delayMs, firstClaim),
    runMs: startedAt === null ? undefined : between(Date.parse(startedAt), finishedAt),
  };
}
