import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { TaskRef } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';
import { AFTER, HELD_SCORE } from './held-tasks.ts';
import { readField, storedSpec } from './task-fields.ts';

const bullOptions = z.object({ attempts: z.number().int().positive() });

/** What somebody who looks after the queue does to single tasks. Each is one atomic step. */
export class TaskControl {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Cancels a task. One that runs is only marked; the lock token of its claim is answered, so that its node can be told
   * ('' where the claim has lapsed, and the next sweep ends the task).
   */
  async cancel(task: TaskRef, reason: string): Promise<'gone' | 'ended' | 'cancelled' | { readonly token: string }> {
    const reply = String(
      await scripts.cancelTask.run(
        this.#redis,
        this.#keysOf(task, 'wait', 'prioritized', 'delayed', 'cancelled', 'events', 'waiting-children'),
        [task.id, reason],
      ),
    );
    return reply === 'gone' || reply === 'ended' || reply === 'cancelled' ? reply : { token: reply };
  }

  /**
   * Queues a failed or cancelled task again, with as many attempts as it had at first. One that has not run yet waits for
   * those that it comes after.
   */
  async retry(task: TaskRef): Promise<'gone' | 'open' | 'completed' | 'waiting'> {
    const states = ['failed', 'cancelled', 'wait', 'prioritized', 'marker', 'meta', 'events', 'pc', 'delayed'];
    const keys = [
      ...this.#keysOf(task, ...states),
      this.#keys.held,
      this.#keys.heldTasks(task.pool, AFTER),
      this.#keys.pool(task.pool, 'acknowledged'),
    ];
    const reply = await scripts.retryTask.run(this.#redis, keys, [
      task.id,
      `${task.pool} ${AFTER}`,
      HELD_SCORE,
      await this.#attemptsAtFirst(task),
    ]);
    return reply as 'waiting';
  }

  /** Removes a task that does not run; with `onlyFailed` one that has failed, and `other` is answered for any else. */
  async remove(task: TaskRef, { onlyFailed = false } = {}): Promise<'gone' | 'active' | 'other' | 'removed'> {
    const states = ['wait', 'prioritized', 'delayed', 'completed', 'failed', 'cancelled'];
    states.push('waiting-children', 'acknowledged', 'events');
    const reply = await scripts.removeTask.run(this.#redis, this.#keysOf(task, ...states), [
      task.id,
      this.#keys.idempotencyPrefix,
      onlyFailed ? '1' : '',
    ]);
    return reply as 'removed';
  }

  /** Marks a failed task as seen. */
  async acknowledge(task: TaskRef): Promise<'gone' | 'other' | 'acknowledged'> {
    const reply = await scripts.acknowledgeTask.run(this.#redis, this.#keysOf(task, 'failed', 'acknowledged'), [
      task.id,
    ]);
    return reply as 'acknowledged';
  }

  /** As a claim reads it; of something that is no task of ours BullMQ's options tell. It never changes. */
  async #attemptsAtFirst({ pool, id }: TaskRef): Promise<number> {
    const [data, opts] = await this.#redis.hmget(this.#keys.task(pool, id), 'data', 'opts');
    return readField(storedSpec, data)?.attempts ?? readField(bullOptions, opts)?.attempts ?? 1;
  }

  #keysOf({ pool, id }: TaskRef, ...states: readonly string[]): string[] {
    return [this.#keys.task(pool, id), ...states.map((state) => this.#keys.pool(pool, state))];
  }
}
