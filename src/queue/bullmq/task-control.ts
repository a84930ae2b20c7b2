import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { TaskRef } from '../../domain/task.ts';
import { isEnded, type TaskState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';
import { readField, storedSpec } from './task-fields.ts';

const retried = z.enum(['gone', 'open', 'completed', 'waiting']);
const removed = z.enum(['gone', 'active', 'other', 'removed']);
const acknowledged = z.enum(['gone', 'other', 'acknowledged']);
const redelivered = z.enum(['gone', 'open', 'none', 'pending']);
const bullOptions = z.object({ attempts: z.number().int().positive() });

/** An operator's commands on single tasks. Each is one atomic step. */
export class TaskControl {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Cancels a task. A running task is only marked. Then the lock token of its claim is returned, so that its node can
   * be notified ('' if the claim has lapsed, and the next sweep ends the task).
   */
  async cancel(task: TaskRef, reason: string): Promise<'gone' | 'ended' | 'cancelled' | { readonly token: string }> {
    const reply = String(await scripts.cancelTask.run(this.#redis, this.#keys, [task.pool, task.id, reason]));
    return reply === 'gone' || reply === 'ended' || reply === 'cancelled' ? reply : { token: reply };
  }

  /**
   * Queues a failed or cancelled task again, with its original number of attempts. A task that has never run waits
   * again for the tasks that it comes after.
   */
  async retry(task: TaskRef): Promise<'gone' | 'open' | 'completed' | 'waiting'> {
    const attempts = await this.#attemptsAtFirst(task);
    const reply = await scripts.retryTask.run(this.#redis, this.#keys, [task.pool, task.id, attempts]);
    return retried.parse(reply);
  }

  /**
   * Removes a task that is not running. With `only`, returns `other` if it is no longer in this state; all states of
   * tasks that have not ended count as one.
   */
  async remove(
    task: TaskRef,
    { only }: { only?: TaskState | undefined } = {},
  ): Promise<'gone' | 'active' | 'other' | 'removed'> {
    const wanted = only === undefined ? '' : isEnded(only) ? only : 'open';
    const args = [task.pool, task.id, wanted];
    return removed.parse(await scripts.removeTask.run(this.#redis, this.#keys, args));
  }

  /** Sends the answer of an ended task again, or at once if its delivery is pending. */
  async redeliver(task: TaskRef): Promise<'gone' | 'open' | 'none' | 'pending'> {
    return redelivered.parse(await scripts.redeliver.run(this.#redis, this.#keys, [task.pool, task.id]));
  }

  /** Acknowledges a failed task. */
  async acknowledge(task: TaskRef): Promise<'gone' | 'other' | 'acknowledged'> {
    return acknowledged.parse(await scripts.acknowledgeTask.run(this.#redis, this.#keys, [task.pool, task.id]));
  }

  /**
   * The number of attempts as a claim reads it, else from BullMQ's options if the task is not ours. It never changes.
   */
  async #attemptsAtFirst({ pool, id }: TaskRef): Promise<number> {
    const [data, opts] = await this.#redis.hmget(this.#keys.task(pool, id), 'data', 'opts');
    return readField(storedSpec, data)?.attempts ?? readField(bullOptions, opts)?.attempts ?? 1;
  }
}
