import type { ChainableCommander, Redis } from 'ioredis';
import { newTaskId, numberedTaskId } from '../domain/ids.ts';
import type { NewTask } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { Enqueued } from './bullmq/task-producer.ts';

/** An interrupted import is gone on with within this time, ms; after it the same file is a new import. */
const REMEMBERED_MS = 24 * 60 * 60_000;

/**
 * Queues the tasks of one file so that an import that was interrupted can be repeated: the n-th task of a file always gets
 * the same id until the file has been queued whole.
 */
export class TaskImport {
  /** Tasks that an earlier import of this file has queued. */
  readonly resumedAt: number;
  readonly #redis: Redis;
  readonly #name: string;
  readonly #base: string;
  /** Tells this import from another one of the same file; whoever wrote last is in the key. */
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
    // Two commands: `SET … NX GET` came with Redis 7.0 only.
    const replies = await redis.multi().set(name, `${fresh} 0`, 'PX', REMEMBERED_MS, 'NX').get(name).exec();
    const [error, found] = replies?.[1] ?? [];
    if (error) throw error;
    const [base = fresh, done = '0'] = typeof found === 'string' ? found.split(' ') : [];
    const begun = new TaskImport(redis, name, base, Number(done));
    await redis.set(name, `${base} ${done} ${begun.#writer}`, 'PX', REMEMBERED_MS, 'XX');
    return begun;
  }

  /** Whether another import of the same file was seen at work: both have queued the same tasks, each of them once. */
  get shared(): boolean {
    return this.#shared;
  }

  /** Queues the next tasks of the file, those left out that are queued already. */
  async queue(
    tasks: readonly NewTask[],
    enqueue: (tasks: readonly NewTask[]) => Promise<Enqueued[]>,
  ): Promise<Enqueued[]> {
    const numbered = tasks.map((task) => ({ ...task, id: numberedTaskId(this.#base, this.#next++) }));
    const end = this.#next;
    const before = end - tasks.length;
    // One with a key may be another import's.
    const open = numbered.filter((task, index) => before + index >= this.resumedAt || task.key !== undefined);
    const answers = open.length > 0 ? await enqueue(open) : [];
    const byId = new Map(open.map((task, index) => [task.id, answers[index]]));
    // Batches are acknowledged in the order they were sent, so all before this one are there too.
    if (end > this.resumedAt) {
      const progress = `${this.#base} ${end} ${this.#writer}`;
      // Where another import has come to the end, the key is gone, and must stay so: the file again means new tasks.
      await this.#look(this.#redis.multi().get(this.#name).set(this.#name, progress, 'PX', REMEMBERED_MS, 'XX'));
    }
    return numbered.map(
      ({ id, pool, delayMs }) =>
        byId.get(id) ?? { id, pool, state: delayMs > 0 ? 'delayed' : 'waiting', duplicate: true },
    );
  }

  /** The file has been queued whole; the same file again means the same tasks once more. */
  async end(): Promise<void> {
    await this.#look(this.#redis.multi().get(this.#name).del(this.#name));
  }

  /** A key that another import has written, or taken away, since this one did: they run at the same time. */
  async #look(change: ChainableCommander): Promise<void> {
    const replies = (await change.exec()) ?? [];
    for (const [error] of replies) if (error) throw error;
    const [, found] = replies[0] ?? [];
    if (typeof found !== 'string' || !found.endsWith(` ${this.#writer}`)) this.#shared = true;
  }
}
