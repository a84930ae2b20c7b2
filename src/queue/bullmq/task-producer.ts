import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { ClawmeshError } from '../../domain/errors.ts';
import { newTaskId } from '../../domain/ids.ts';
import { targetOf } from '../../domain/target.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { AFTER, HELD_UNTIL_MS } from '../held-tasks.ts';
import type { StoredSpec } from '../task-fields.ts';
import type { TaskSigner } from '../task-signer.ts';
import type { Tracing } from './tracing.ts';

/** What became of one enqueued task. */
export interface Enqueued {
  readonly id: string;
  readonly pool: string;
  readonly state: 'waiting' | 'delayed';
  /** There was a task with this idempotency key already; `id` is that one's. */
  readonly duplicate: boolean;
}

/** Redis is asked for its time again after so long, ms. */
const CLOCK_MS = 5_000;

/** A replica that is there has a write within milliseconds, ms. */
const REPLICA_TIMEOUT_MS = 2_000;

export interface ProducerOptions {
  /** Makes a span of each call of `enqueue`; closed with the producer. */
  readonly tracing?: Tracing | undefined;
  readonly signer?: TaskSigner | undefined;
  /** See `redis.durability` in the config. */
  readonly durability?: 'memory' | 'replica' | undefined;
}

interface Placed {
  readonly task: NewTask;
  enqueued: Enqueued;
  /** The task has ended and is kept no longer; only its key is remembered. */
  gone: boolean;
}

/** Tasks per pipeline: 22,500/s against 4,500/s one by one (FACTS.md), and a bound on memory. */
export const BULK_BATCH = 1_000;

/** Puts tasks into the pools' queues. Every method resolves only once Redis has what it was given. */
export class TaskProducer {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #queues = new Map<string, Queue>();
  #lastSent: Promise<void> = Promise.resolve();
  readonly #options: ProducerOptions;
  #clock: { readonly askedAt: number; readonly time: number } | undefined;

  constructor(redis: Redis, keys: MeshKeys, options: ProducerOptions = {}) {
    this.#redis = redis;
    this.#keys = keys;
    this.#options = options;
  }

  /** Queues the tasks in order, in batches. */
  async enqueue(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    const enqueued: Enqueued[] = [];
    for (let start = 0; start < tasks.length; start += BULK_BATCH) {
      enqueued.push(...(await this.#enqueueBatch(tasks.slice(start, start + BULK_BATCH))));
    }
    return enqueued;
  }

  /** Whether the pool's tasks may start. */
  async setPaused(pool: string, paused: boolean): Promise<void> {
    if (paused) await this.#queue(pool).pause();
    else await this.#queue(pool).resume();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    await this.#options.tracing?.close();
  }

  /** Batches are sent in the order of their calls; while Redis takes one, the next is made ready. */
  async #enqueueBatch(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    const before = this.#lastSent;
    const sent = Promise.withResolvers<void>();
    this.#lastSent = sent.promise;
    let sending: Promise<unknown>[];
    let placed: Placed[];
    try {
      await before;
      placed = await this.#place(tasks);
      sending = await this.#send(placed);
    } finally {
      sent.resolve();
    }
    await Promise.all(sending);
    if (this.#options.durability === 'replica') await this.#replicated(placed.map(({ enqueued }) => enqueued.id));
    return placed.map(({ enqueued }) => enqueued);
  }

  /** Answers what is under way once everything has been sent. */
  async #send(placed: readonly Placed[]): Promise<Promise<unknown>[]> {
    const now = await this.#redisTime();
    const sending: Promise<unknown>[] = [];
    for (const [pool, group] of Map.groupBy(placed, ({ enqueued }) => enqueued.pool)) {
      await this.#makeKnown(pool);
      const held = group.filter(({ task, gone }) => heldFor(task) !== undefined && !gone);
      for (const [why, tasks] of Map.groupBy(held, ({ task }) => heldFor(task) as string)) {
        await this.#hold(
          pool,
          why,
          tasks.map(({ enqueued }) => enqueued.id),
          now,
        );
      }
      // A keyed task whose first enqueuer died before this step is added here, under the id it had been given; one that
      // exists already is left as it is: BullMQ ignores a second job of one id.
      const jobs = group
        .filter(({ gone }) => !gone)
        .map(({ task, enqueued }) => bullJob(task, enqueued.id, now, this.#options.signer));
      const [first, ...more] = jobs;
      // A transaction around a single script would only be two more commands.
      if (first && more.length === 0) sending.push(this.#queue(pool).add(first.name, first.data, first.opts));
      else if (first) sending.push(this.#queue(pool).addBulk(jobs));
    }
    return sending;
  }

  /** @throws ClawmeshError `redis` where no replica has what this connection has written. */
  async #replicated(ids: readonly string[]): Promise<void> {
    // WAIT is about what this connection has written; a task that was there already may be of another one's.
    await this.#redis.incr(this.#keys.acknowledged);
    if ((await this.#redis.wait(1, REPLICA_TIMEOUT_MS)) > 0) return;
    const which = ids.length === 1 ? `task ${ids[0]} is` : `${ids.length} tasks (${ids[0]} and after) are`;
    throw new ClawmeshError('redis', `${which} queued, but no replica of Redis has confirmed it`, {
      remedy:
        'a failover of Redis may lose it: see that a replica is up (clawmesh doctor); redis.durability: memory does without',
    });
  }

  /** Redis time, ms, asked for now and then: delays and times do not depend on this machine's clock. */
  async #redisTime(): Promise<number> {
    if (this.#clock === undefined || Date.now() - this.#clock.askedAt > CLOCK_MS || Date.now() < this.#clock.askedAt) {
      this.#clock = { askedAt: Date.now(), time: await redisTime(this.#redis) };
    }
    return this.#clock.time + Date.now() - this.#clock.askedAt;
  }

  async #makeKnown(pool: string): Promise<void> {
    if (this.#queues.has(pool)) return;
    await this.#redis.sadd(this.#keys.pools, pool);
  }

  /** Before the tasks themselves, so that none is forgotten; an entry without a task is dropped later (release-held.lua). */
  async #hold(pool: string, why: string, ids: readonly string[], now: number): Promise<void> {
    await this.#redis
      .multi()
      .sadd(this.#keys.held, `${pool} ${why}`)
      .zadd(this.#keys.heldTasks(pool, why), ...ids.flatMap((id) => [now, id]))
      .exec();
  }

  /** The id and pool each task gets: its own, or those of the first one with its idempotency key. */
  async #place(tasks: readonly NewTask[]): Promise<Placed[]> {
    const placed = tasks.map((task): Placed => {
      const { id = newTaskId(), pool, delayMs } = task;
      return {
        task,
        enqueued: { id, pool, state: delayMs > 0 ? 'delayed' : 'waiting', duplicate: false },
        gone: false,
      };
    });
    const keyed = placed.filter(({ task }) => task.key !== undefined);
    if (keyed.length === 0) return placed;
    const pipeline = this.#redis.pipeline();
    for (const { task, enqueued } of keyed) {
      pipeline.set(this.#keys.idempotency(task.key ?? ''), `${enqueued.pool} ${enqueued.id}`, 'NX', 'GET');
    }
    for (const [index, [error, reply]] of ((await pipeline.exec()) ?? []).entries()) {
      if (error) throw error;
      const entry = keyed[index] as Placed;
      const [pool, id, ended] = typeof reply === 'string' ? reply.split(' ') : [];
      if (!pool || !id) continue;
      // An interrupted run of the same import gave it the same id.
      entry.enqueued = { ...entry.enqueued, id, pool, duplicate: id !== entry.enqueued.id };
      entry.gone = ended !== undefined;
    }
    return placed;
  }

  #queue(pool: string): Queue {
    let queue = this.#queues.get(pool);
    if (!queue) {
      const { telemetry } = this.#options.tracing ?? {};
      queue = new Queue(pool, {
        connection: this.#redis as never,
        prefix: this.#keys.bullPrefix,
        ...(telemetry && { telemetry }),
      });
      // Failed commands reject where they were called.
      queue.on('error', () => {});
      this.#queues.set(pool, queue);
    }
    return queue;
  }
}

/** Why the task is held from the start; undefined where it just waits. */
function heldFor(task: NewTask): string | undefined {
  if ((task.after ?? []).length > 0) return AFTER;
  return targetOf(task);
}

/** The task as it stands in the job's data. */
export function storedTask(task: NewTask): StoredSpec {
  const { id: _id, pool: _pool, priority: _priority, delayMs: _delay, after, ...spec } = task;
  return { v: 1, ...spec, after: after && [...after] };
}

function bullJob(task: NewTask, id: string, timestamp: number, signer?: TaskSigner) {
  const { priority, delayMs, attempts } = task;
  const opts = {
    jobId: id,
    attempts,
    timestamp,
    ...(priority > 0 && { priority }),
    // One that is held waits for no time.
    ...(heldFor(task) !== undefined ? { delay: HELD_UNTIL_MS - timestamp } : delayMs > 0 && { delay: delayMs }),
  };
  const spec = storedTask(task);
  return { name: 'task', data: signer?.signed(spec, task.pool, { id }) ?? spec, opts };
}
