import { JobScheduler } from 'bullmq';
import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';

/**
 * Job schedulers that another program has created with BullMQ in one of our pools. BullMQ's own worker queues the next
 * task when it claims one, so we do the same with BullMQ's own code.
 */
export class ForeignSchedulers {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #schedulers = new Map<string, JobScheduler>();

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Queues the task after this one, if this is the scheduler's latest task. */
  async advance(pool: string, name: string, taskId: string): Promise<void> {
    const bull = this.#of(pool);
    const scheduler = await bull.getScheduler(name);
    if (!scheduler) return;
    const { key: _key, name: taskName, next: _next, iterationCount, template, ...repeat } = scheduler;
    await bull.upsertJobScheduler(
      name,
      { ...repeat, ...(iterationCount !== undefined && { count: iterationCount }) },
      taskName,
      template?.data ?? {},
      { ...template?.opts, ...(scheduler.next !== undefined && { prevMillis: scheduler.next }) },
      { override: false, producerId: taskId },
    );
  }

  /** Queues the next task if a node died before it did. */
  async mend(pool: string, name: string): Promise<void> {
    const due = await this.#redis.zscore(this.#keys.pool(pool, 'repeat'), name);
    if (due === null) return;
    const id = `repeat:${name}:${due}`;
    const [exists, started] = await this.#redis.hmget(this.#keys.task(pool, id), 'timestamp', 'processedOn');
    if (exists === null || typeof started === 'string') await this.advance(pool, name, id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#schedulers.values()].map((scheduler) => scheduler.close()));
  }

  #of(pool: string): JobScheduler {
    let scheduler = this.#schedulers.get(pool);
    if (!scheduler) {
      scheduler = new JobScheduler(pool, { connection: this.#redis as never, prefix: this.#keys.bullPrefix });
      // Failed commands reject at their callers.
      scheduler.on('error', () => {});
      this.#schedulers.set(pool, scheduler);
    }
    return scheduler;
  }
}
