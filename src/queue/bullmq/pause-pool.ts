import type { Redis } from 'ioredis';
import type { NewPause } from '../../domain/pause.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { pauseDetails } from '../../redis/stored-pause.ts';
import { scripts } from './scripts.ts';

/** Pauses or resumes the pool: BullMQ's own pause, which its other tools understand, too. */
export async function setPoolPaused(
  redis: Redis,
  keys: MeshKeys,
  pool: string,
  pause: boolean | NewPause,
): Promise<void> {
  if (pause === false) await scripts.resumePools.run(redis, keys, [pool]);
  else {
    const { forMs = 0, ...details } = pause === true ? {} : pause;
    await scripts.pausePool.run(redis, keys, [pool, forMs, pauseDetails(details)]);
  }
}

/** Resumes the pools whose pause was for a limited time, which is over. @returns how many. */
export async function endPoolPauses(redis: Redis, keys: MeshKeys): Promise<number> {
  return Number(await scripts.resumePools.run(redis, keys, ['']));
}
