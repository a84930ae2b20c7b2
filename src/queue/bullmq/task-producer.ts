import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { newTaskId } from '../../domain/ids.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import type { StoredSpec } from '../task-fields.ts';

/** What became of one enqueued task. */
export interface Enqueued {
  readonly id: string;
  readonly pool: string;
  readonly state: 'waiting' | 'delayed';
  /** There was a task with this idempotency key already; `id` is that one's. */
  readonly duplicate: boolean;
}

/** Tasks per pipeline: 22,500/s against 4,500/s one by one (FACTS.md), and a bound on memory. */
export const BULK_BATCH = 1_000;

/** Puts tasks into the pools' queues. Every method resolves only once Redis has what it was given. */
export class TaskProducer {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #queues = new Map<string, Queue>();

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Queues the tasks in order, in batches; `onProgress` gets the number queued so far. */
  async enqueue(tasks: readonly NewTask[], onProgress?: (done: number) => void): Promise<Enqueued[]> {
    const enqueued: Enqueued[] = [];
    for (let start = 0; start < tasks.length; start += BULK_BATCH) {
      enqueued.push(...(await this.#enqueueBatch(tasks.slice(start, start + BULK_BATCH))));
      onProgress?.(enqueued.length);
    }
    return enqueued;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  async #enqueueBatch(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    // So that delays and times do not depend on this machine's clock.
    const now = await redisTime(this.#redis);
    const placed: { task: NewTask; enqueued: Enqueued }[] = [];
    for (const task of tasks) placed.push({ task, enqueued: await this.#place(task) });

    for (const [pool, group] of Map.groupBy(placed, ({ enqueued }) => enqueued.pool)) {
      await this.#redis.sadd(this.#keys.pools, pool);
      // A keyed task whose first enqueuer died before this step is added here, under the id it had been given; one that
      // exists already is left as it is: BullMQ ignores a second job of one id.
      await this.#queue(pool).addBulk(group.map(({ task, enqueued }) => bullJob(task, enqueued.id, now)));
    }
    return placed.map(({ enqueued }) => enqueued);
  }

  /** The id and pool a task gets: its own, or those of the first one with its idempotency key. */
  async #place(task: NewTask): Promise<Enqueued> {
    const state = task.delayMs > 0 ? 'delayed' : 'waiting';
    const own = { id: newTaskId(), pool: task.pool, state, duplicate: false } as const;
    if (task.key === undefined) return own;
    const name = this.#keys.idempotency(task.key);
    for (;;) {
      if (await this.#redis.set(name, `${own.pool} ${own.id}`, 'NX')) return own;
      const [pool, id] = (await this.#redis.get(name))?.split(' ') ?? [];
      // Gone between the two commands: the ended task's key just expired.
      if (pool && id) return { ...own, id, pool, duplicate: true };
    }
  }

  #queue(pool: string): Queue {
    let queue = this.#queues.get(pool);
    if (!queue) {
      queue = new Queue(pool, { connection: this.#redis as never, prefix: this.#keys.bullPrefix });
      // Failed commands reject where they were called.
      queue.on('error', () => {});
      this.#queues.set(pool, queue);
    }
    return queue;
  }
}

function bullJob(task: NewTask, id: string, timestamp: number) {
  const { pool: _pool, priority, delayMs, attempts, ...spec } = task;
  const data: StoredSpec = { v: 1, ...stripUndefined(spec), attempts, tags: task.tags, message: task.message };
  const opts = {
    jobId: id,
    attempts,
    timestamp,
    ...(priority > 0 && { priority }),
    ...(delayMs > 0 && { delay: delayMs }),
  };
  return { name: 'task', data, opts };
}

function stripUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
