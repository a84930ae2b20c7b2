import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';

/** The pools as BullMQ's own queues, for tools that look into those; nothing is to be changed through them. */
export class RawQueues {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #queues = new Map<string, Queue>();

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Those of these pools, made on first use. */
  of(pools: readonly string[]): Queue[] {
    return pools.map((pool) => {
      const known = this.#queues.get(pool);
      if (known) return known;
      const queue = new Queue(pool, {
        connection: this.#redis as never,
        prefix: this.#keys.bullPrefix,
        skipMetasUpdate: true,
      });
      // The connection's owner hears of its errors.
      queue.on('error', () => {});
      this.#queues.set(pool, queue);
      return queue;
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => {})));
  }
}
