import type { Redis } from 'ioredis';
import type { Task, TaskRef } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';

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
  async cancel(task: Task, reason: string): Promise<'gone' | 'ended' | 'cancelled' | { readonly token: string }> {
    const reply = String(
      await scripts.cancelTask.run(
        this.#redis,
        this.#keysOf(task, 'wait', 'prioritized', 'delayed', 'cancelled', 'events'),
        [task.id, reason],
      ),
    );
    return reply === 'gone' || reply === 'ended' || reply === 'cancelled' ? reply : { token: reply };
  }

  /** Queues a failed or cancelled task again, with as many attempts as it had at first. */
  async retry(task: Task): Promise<'gone' | 'open' | 'completed' | 'waiting'> {
    const keys = this.#keysOf(task, 'failed', 'cancelled', 'wait', 'prioritized', 'marker', 'meta', 'events', 'pc');
    return (await scripts.retryTask.run(this.#redis, keys, [task.id])) as 'waiting';
  }

  /** Removes a task that does not run. */
  async remove(task: TaskRef): Promise<'gone' | 'active' | 'removed'> {
    const states = ['wait', 'prioritized', 'delayed', 'completed', 'failed', 'cancelled', 'events'];
    const reply = await scripts.removeTask.run(this.#redis, this.#keysOf(task, ...states), [
      task.id,
      this.#keys.idempotencyPrefix,
    ]);
    return reply as 'removed';
  }

  #keysOf({ pool, id }: TaskRef, ...states: readonly string[]): string[] {
    return [this.#keys.task(pool, id), ...states.map((state) => this.#keys.pool(pool, state))];
  }
}
