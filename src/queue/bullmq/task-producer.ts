import type { Redis } from 'ioredis';
import { ClawmeshError } from '../../domain/errors.ts';
import { newTaskId } from '../../domain/ids.ts';
import { targetOf } from '../../domain/target.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { AFTER, HELD_UNTIL_MS } from '../held-tasks.ts';
import type { StoredSpec } from '../task-fields.ts';
import type { TaskSigner } from '../task-signer.ts';
import { enqueueScript } from './enqueue-script.ts';
import type { Tracing } from './tracing.ts';

/** What became of one enqueued task. */
export interface Enqueued {
  readonly id: string;
  readonly pool: string;
  readonly state: 'waiting' | 'delayed';
  /** There was a task with this idempotency key already; `id` is that one's. */
  readonly duplicate: boolean;
}

/** A replica that is there has a write within milliseconds, ms. */
const REPLICA_TIMEOUT_MS = 2_000;

export interface ProducerOptions {
  /** Makes a span of each batch; closed with the producer. */
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

/** Tasks under way at once: 22,500/s against 4,500/s one by one (FACTS.md), and a bound on memory. */
export const BULK_BATCH = 1_000;
/** Tasks and characters per script: 1 to 3 ms of Redis, in which nobody else is served. */
const STEP_TASKS = 100;
const STEP_CHARACTERS = 512 * 1024;

/** Puts tasks into the pools' queues. Every method resolves only once Redis has what it was given. */
export class TaskProducer {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  #lastSent: Promise<void> = Promise.resolve();
  readonly #options: ProducerOptions;

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

  async close(): Promise<void> {
    await this.#options.tracing?.close();
  }

  /** Batches are sent in the order of their calls; while Redis takes one, the next is made ready. */
  async #enqueueBatch(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    const before = this.#lastSent;
    const sent = Promise.withResolvers<void>();
    this.#lastSent = sent.promise;
    let sending: Promise<unknown>;
    let placed: Placed[];
    try {
      await before;
      placed = await this.#place(tasks);
      sending = this.#send(placed);
    } finally {
      sent.resolve();
    }
    await sending;
    if (this.#options.durability === 'replica') await this.#replicated(placed.map(({ enqueued }) => enqueued.id));
    return placed.map(({ enqueued }) => enqueued);
  }

  /** Sends all of it before it waits, so that the next batch comes behind it. */
  async #send(placed: readonly Placed[]): Promise<void> {
    const { tracing } = this.#options;
    // A keyed task whose first enqueuer died before this step is added here, under the id it had been given; one that
    // exists already is left as it is.
    const groups = Map.groupBy(
      placed.filter(({ gone }) => !gone),
      ({ enqueued }) => enqueued.pool,
    );
    const sending = [...groups].map(([pool, group]) =>
      tracing
        ? tracing.queueing(pool, group.length, (trace) => this.#add(pool, group, trace))
        : this.#add(pool, group, ''),
    );
    await Promise.all(sending);
  }

  async #add(pool: string, group: readonly Placed[], trace: string): Promise<void> {
    const keys = [this.#keys.pool(pool, 'wait')];
    const steps: Promise<unknown>[] = [];
    let step: (string | number)[][] = [];
    let characters = 0;
    const send = () => {
      if (step.length > 0) steps.push(enqueueScript.run(this.#redis, keys, [HELD_UNTIL_MS, trace, ...step.flat()]));
      [step, characters] = [[], 0];
    };
    for (const { task, enqueued } of group) {
      const { attempts, priority, delayMs } = task;
      const spec = storedTask(task);
      const data = JSON.stringify(this.#options.signer?.signed(spec, pool, { id: enqueued.id }) ?? spec);
      step.push([enqueued.id, data, attempts, priority, delayMs > 0 ? delayMs : '', heldFor(task) ?? '']);
      characters += data.length;
      if (step.length >= STEP_TASKS || characters >= STEP_CHARACTERS) send();
    }
    send();
    await Promise.all(steps);
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
    const steps = this.#redis.multi();
    for (const { task, enqueued } of keyed) {
      const key = this.#keys.idempotency(task.key ?? '');
      // Two commands: `SET … NX GET` came with Redis 7.0 only.
      steps.set(key, `${enqueued.pool} ${enqueued.id}`, 'NX').get(key);
    }
    const replies = (await steps.exec()) ?? [];
    for (const [index, entry] of keyed.entries()) {
      const [error, reply] = replies[index * 2 + 1] ?? [];
      if (error) throw error;
      const [pool, id, ended] = typeof reply === 'string' ? reply.split(' ') : [];
      if (!pool || !id) continue;
      // An interrupted run of the same import gave it the same id.
      entry.enqueued = { ...entry.enqueued, id, pool, duplicate: id !== entry.enqueued.id };
      entry.gone = ended !== undefined;
    }
    return placed;
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
