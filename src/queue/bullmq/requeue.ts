import type { Redis } from 'ioredis';
import type { HandoverReason } from '../../domain/handover.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/** Active tasks checked per script call: about a millisecond of Redis time (bench/sweep). */
const WINDOW = 500;

/** A requeued task and the node whose claim was orphaned. */
export interface Requeued {
  readonly taskId: string;
  readonly pool: string;
  readonly from: string;
  readonly reason: HandoverReason;
}

export interface RequeueOptions {
  readonly visibilityTimeoutMs: number;
  readonly maxHandovers: number;
}

/**
 * Requeues every task, in all pools, whose claim is orphaned: its owner is not a current incarnation, or it lapsed. Any
 * node may do this for any other, and two nodes may do it at once.
 *
 * @throws the error of the first pool in which this failed, after all other pools were processed.
 */
export async function requeueOrphanedClaims(
  redis: Redis,
  keys: MeshKeys,
  options: RequeueOptions,
): Promise<Requeued[]> {
  const requeued: Requeued[] = [];
  const errors: unknown[] = [];
  for (const pool of await redis.smembers(keys.pools)) {
    try {
      await requeuePool(redis, keys, pool, options, requeued);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return requeued;
}

async function requeuePool(
  redis: Redis,
  keys: MeshKeys,
  pool: string,
  options: RequeueOptions,
  requeued: Requeued[],
): Promise<void> {
  let index = 0;
  do {
    const { visibilityTimeoutMs, maxHandovers } = options;
    const reply = await scripts.requeueClaims.run(redis, keys, [
      pool,
      index,
      WINDOW,
      visibilityTimeoutMs,
      maxHandovers,
    ]);
    const [next, ...tasks] = reply as [number, ...string[]];
    for (let i = 0; i + 2 < tasks.length; i += 3) {
      const [taskId, from, reason] = tasks.slice(i, i + 3) as [string, string, string];
      requeued.push({ taskId, pool, from, reason: reason as HandoverReason });
    }
    index = next;
  } while (index > 0);
}
