import type { Redis } from 'ioredis';
import type { HandoverReason } from '../../domain/handover.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/** Active tasks looked at per script: about a millisecond of Redis time (bench/sweep). */
const WINDOW = 500;

/** A task that was requeued, and whose claim it was. */
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
 * Requeues every task of every pool whose claim is orphaned: its owner is no current incarnation, or it lapsed. Any
 * node may
 * do this for any other; two at once do no harm.
 *
 * @throws Error of the first pool in which that was not possible, once all others have been gone through.
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
