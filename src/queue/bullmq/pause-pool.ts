import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/** Pauses or resumes the pool: BullMQ's own pause, which its other tools understand, too. */
export async function setPoolPaused(redis: Redis, keys: MeshKeys, pool: string, paused: boolean): Promise<void> {
  await scripts.pausePool.run(redis, keys, [pool, paused ? '1' : '']);
}
