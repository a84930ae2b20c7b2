import type { Redis } from 'ioredis';

/** Redis time, ms since the epoch: the only clock that all nodes share. */
export async function redisTime(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
