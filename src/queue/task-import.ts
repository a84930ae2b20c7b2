import type { ChainableCommander, Redis } from 'ioredis';
import { newTaskId, numberedTaskId } from '../domain/ids.ts';
import type { NewTask } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { Enqueued } from './bullmq/task-producer.ts';

/** An interrupted import can be resumed within this time, ms; later the same file is a new import. */
const REMEMBERED_MS = 24 * 60 * 60_000;

/**
 * Queues the tasks of one file so that an interrupted import can be repeated: the n-th task of a file always gets the
 * same id until the whole file has been queued.
 */
export class TaskImport {
  /** Number of tasks that an earlier import of this file has queued. */
  readonly resumedAt: number;
  readonly #redis: Redis;
  readonly #name: string;
  readonly #base: string;
  /** Distinguishes this import from another one of the same file; the key contains the last writer. */
  readonly #writer = newTaskId();
  #next = 0;
  #shared = false;

  private constructor(redis: Redis, name: string, base: string, done: number) {
    this.#redis = redis;
    this.#name = name;
    this.#base = base;
    this.resumedAt = done;
  }

  static async begin(redis: Redis, keys: MeshKeys, digest: string): Promise<TaskImport> {
    const name = keys.taskImport(digest);
    const fresh = newTaskId();
    // Two commands, because `SET … NX GET` requires Redis 7.0.
    const replies = await redis.multi().set(name, `${fresh} 0`, 'PX', REMEMBERED_MS, 'NX').get(name).exec();
    const [error, found] = replies?.[1] ?? [];
    if (error) throw error;
    const [base = fresh, done = '0'] = typeof found === 'string' ? found.split(' ') : [];
    const begun = new TaskImport(redis, name, base, Number(done));
    await redis.set(name, `${base} ${done} ${begun.#writer}`, 'PX', REMEMBERED_MS, 'XX');
    return begun;
  }

  /**
   * Whether another import of the same file ran at the same time. Both have queued the same tasks, each of them once.
   */
  get shared(): boolean {
    return this.#shared;
  }

  /** Queues the next tasks of the file, except those that are already queued. */
  async queue(
    tasks: readonly NewTask[],
    enqueue: (tasks: readonly NewTask[]) => Promise<Enqueued[]>,
  ): Promise<Enqueued[]> {
    const numbered = tasks.map((task) => ({ ...task, id: numberedTaskId(this.#base, this.#next++) }));
    const end = this.#next;
    const before = end - tasks.length;
    // A task with a key may belong to another import.
    const open = numbered.filter((task, index) => before + index >= this.resumedAt || task.key !== undefined);
    const answers = open.length > 0 ? await enqueue(open) : [];
    const byId = new Map(open.map((task, index) => [task.id, answers[index]]));
    // Batches are acknowledged in the order they were sent, so all earlier ones are queued, too.
    if (end > this.resumedAt) {
      const progress = `${this.#base} ${end} ${this.#writer}`;
      // If another import has finished, the key is gone and must stay so: the same file then means new tasks.
      await this.#look(this.#redis.multi().get(this.#name).set(this.#name, progress, 'PX', REMEMBERED_MS, 'XX'));
    }
    return numbered.map(
      ({ id, pool, delayMs }) =>
        byId.get(id) ?? { id, pool, state: delayMs > 0 ? 'delayed' : 'waiting', duplicate: true },
    );
  }

  /** Ends the import: the whole file has been queued. Importing the same file again queues its tasks once more. */
  async end(): Promise<void> {
    await this.#look(this.#redis.multi().get(this.#name).del(this.#name));
  }

  /** If another import has written or removed the key since this one did, both run at the same time. */
  async #look(change: ChainableCommander): Promise<void> {
    const replies = (await change.exec()) ?? [];
    for (const [error] of replies) if (error) throw error;
    const [, found] = replies[0] ?? [];
    if (typeof found !== 'string' || !found.endsWith(` ${this.#writer}`)) this.#shared = true;
  }
}
