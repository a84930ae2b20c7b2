import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';

/** Whether the pool's tasks may start: BullMQ's own pause, which its other tools understand, too. */
export async function setPoolPaused(redis: Redis, keys: MeshKeys, pool: string, paused: boolean): Promise<void> {
  const queue = new Queue(pool, { connection: redis as never, prefix: keys.bullPrefix });
  // Failed commands reject where they were called.
  queue.on('error', () => {});
  try {
    if (paused) await queue.pause();
    else await queue.resume();
  } finally {
    await queue.close();
  }
}
