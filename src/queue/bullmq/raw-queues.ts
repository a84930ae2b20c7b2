import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';

/** The pools as BullMQ queues, for tools that display them; change nothing through them. */
export class RawQueues {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #queues = new Map<string, Queue>();

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The queues of these pools, created on first use. */
  of(pools: readonly string[]): Queue[] {
    return pools.map((pool) => {
      const known = this.#queues.get(pool);
      if (known) return known;
      const queue = new Queue(pool, {
        connection: this.#redis as never,
        prefix: this.#keys.bullPrefix,
        skipMetasUpdate: true,
      });
      // The owner of the connection handles its errors.
      queue.on('error', () => {});
      this.#queues.set(pool, queue);
      return queue;
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => {})));
  }
}
