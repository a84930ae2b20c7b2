import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

export interface Retention {
  readonly completedMs: number;
  readonly failedMs: number;
  /** Maximum number of ended tasks to keep per state. */
  readonly count: number;
  /** How long to keep the usage of a day, ms. */
  readonly usageMs: number;
}

/** Expired tasks, and their bytes, removed per script call: a few ms of Redis time, which block all other clients. */
const STEP = { tasks: 200, bytes: 2 * 1_024 * 1_024 };

/**
 * Removes some of a pool's ended tasks that were kept long enough or are too many. Returns their number. Any node may
 * do this.
 */
export async function removeExpired(redis: Redis, keys: MeshKeys, pool: string, retention: Retention): Promise<number> {
  let removed = 0;
  for (const [state, keepMs] of [
    ['completed', retention.completedMs],
    ['failed', retention.failedMs],
  ] as const) {
    const args = [pool, state, keepMs, retention.count, STEP.tasks, STEP.bytes];
    const reply = await scripts.removeExpired.run(redis, keys, args);
    removed += Number(reply);
  }
  return removed;
}
