import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

export interface Retention {
  readonly completedMs: number;
  readonly failedMs: number;
  /** How many ended tasks of a state are kept at most. */
  readonly count: number;
  /** How long a day's usage is kept. */
  readonly usageMs: number;
}

/** Expired tasks, and bytes of them, removed per script: a few ms of Redis time, in which nobody else is served. */
const STEP = { tasks: 200, bytes: 2 * 1_024 * 1_024 };

/** Removes ended tasks of a pool that were kept long enough, some at a time; answers how many. Any node may do this. */
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
