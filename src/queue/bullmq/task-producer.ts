import type { Redis } from 'ioredis';
import * as z from 'zod';
import { boxOf } from '../../domain/delivery.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import { formatHoldReason } from '../../domain/hold-reason.ts';
import { newTaskId } from '../../domain/ids.ts';
import { needsOf, sessionOf, targetOf } from '../../domain/target.ts';
import type { NewTask } from '../../domain/task.ts';
import type { TaskState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import type { TaskSigner } from '../task-signer.ts';
import { namesOf } from './held-tasks.ts';
import { scripts } from './scripts.ts';
import type { StoredSpec } from './task-fields.ts';
import type { Tracing } from './tracing.ts';

/** The result of enqueuing one task. */
export interface Enqueued {
  /** Id of the task. */
  readonly id: string;
  /** Pool of the task. */
  readonly pool: string;
  /** For a duplicate, its current state; `gone` if it is no longer kept. */
  readonly state: TaskState | 'gone';
  /** A task with this idempotency key already existed; `id` is its id. */
  readonly duplicate: boolean;
}

/** A replica that is up has a write within milliseconds, ms. */
const REPLICA_TIMEOUT_MS = 2_000;

export interface ProducerOptions {
  /** Creates a span for each batch; closed with the producer. */
  readonly tracing?: Tracing | undefined;
  readonly signer?: TaskSigner | undefined;
  /** See `redis.durability` in the config. */
  readonly durability?: 'memory' | 'replica' | undefined;
}

interface Placed {
  readonly task: NewTask;
  enqueued: Enqueued;
}

/** Maximum number of tasks in flight: far faster than single tasks, with bounded memory. */
export const BULK_BATCH = 1_000;
/** Tasks and characters per script call: 1 to 3 ms of Redis time, which block all other clients. */
const STEP_TASKS = 100;
const STEP_CHARACTERS = 512 * 1024;

/** Adds tasks to the pools' queues. Every method resolves only once Redis has stored the tasks. */
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

  /** Sends batches in the order of the calls. The next batch is prepared while Redis processes the current one. */
  async #enqueueBatch(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    const before = this.#lastSent;
    const sent = Promise.withResolvers<void>();
    this.#lastSent = sent.promise;
    let sending: Promise<unknown>;
    let placed: Placed[];
    try {
      await before;
      placed = tasks.map(place);
      sending = this.#send(placed);
    } finally {
      sent.resolve();
    }
    await sending;
    if (this.#options.durability === 'replica') await this.#replicated(placed.map(({ enqueued }) => enqueued.id));
    return placed.map(({ enqueued }) => enqueued);
  }

  /** Sends everything before it waits, so that the next batch follows directly. */
  async #send(placed: readonly Placed[]): Promise<void> {
    const { tracing } = this.#options;
    const groups = Map.groupBy(placed, ({ enqueued }) => enqueued.pool);
    const sending = [...groups].map(([pool, group]) =>
      tracing
        ? tracing.queueing(pool, group.length, (trace) => this.#add(pool, group, trace))
        : this.#add(pool, group, ''),
    );
    await Promise.all(sending);
  }

  async #add(pool: string, group: readonly Placed[], trace: string): Promise<void> {
    const steps: Promise<unknown>[] = [];
    let step: Placed[] = [];
    let args: (string | number)[] = [];
    let characters = 0;
    const send = () => {
      if (step.length > 0) steps.push(this.#run(step, [pool, ...args]));
      [step, args, characters] = [[], [], 0];
    };
    for (const entry of group) {
      const { task, enqueued } = entry;
      const { attempts, priority, delayMs, key = '' } = task;
      const spec = storedTask(task);
      const data = JSON.stringify(this.#options.signer?.signed(spec, pool, { id: enqueued.id }) ?? spec);
      const options = {
        attempts,
        ...(trace !== '' && { tm: trace }),
        ...(delayMs > 0 && { delay: delayMs }),
        ...(priority > 0 && { priority }),
      };
      step.push(entry);
      args.push(
        enqueued.id,
        data,
        JSON.stringify(options),
        priority,
        delayMs,
        heldFor(task) ?? '',
        namesOf(task.after ?? []),
        key,
        sessionOf(task) ?? '',
        needsOf(task),
        task.deliver ? boxOf(task.deliver) : '',
      );
      characters += data.length;
      if (step.length >= STEP_TASKS || characters >= STEP_CHARACTERS) send();
    }
    send();
    await Promise.all(steps);
  }

  /** Queues some tasks in one step. A task whose idempotency key belongs to another task becomes that task. */
  async #run(step: readonly Placed[], args: (string | number)[]): Promise<void> {
    const owners = z.array(z.string()).parse(await scripts.enqueue.run(this.#redis, this.#keys, args));
    const keyed = step.filter(({ task }) => task.key !== undefined);
    for (const [index, entry] of keyed.entries()) {
      const [pool, id] = owners[index]?.split(' ') ?? [];
      if (pool && id) entry.enqueued = { ...entry.enqueued, id, pool, duplicate: id !== entry.enqueued.id };
    }
  }

  /** @throws ClawmeshError `redis` if no replica has this connection's writes. */
  async #replicated(ids: readonly string[]): Promise<void> {
    // WAIT covers only the writes of this connection, and a duplicate may come from another one. This write comes after
    // both.
    await this.#redis.incr(this.#keys.acknowledged);
    if ((await this.#redis.wait(1, REPLICA_TIMEOUT_MS)) > 0) return;
    const which = ids.length === 1 ? `task ${ids[0]} is` : `${ids.length} tasks (from ${ids[0]} on) are`;
    throw new ClawmeshError('redis', `${which} enqueued, but no Redis replica has confirmed it`, {
      remedy:
        'a failover of Redis may lose it: check that a replica is up (clawmesh doctor), or set redis.durability: memory',
    });
  }
}

function place(task: NewTask): Placed {
  const { id = newTaskId(), pool, delayMs } = task;
  return { task, enqueued: { id, pool, state: delayMs > 0 ? 'delayed' : 'waiting', duplicate: false } };
}

/** Why the task is held from the start; undefined if it is simply in line, or delayed first. */
function heldFor(task: NewTask): string | undefined {
  if ((task.after ?? []).length > 0) return formatHoldReason({ kind: 'after' });
  return task.delayMs > 0 ? undefined : targetOf(task);
}

/** The task as stored in the job's data. */
export function storedTask(task: NewTask): StoredSpec {
  const { id: _id, pool: _pool, priority: _priority, delayMs: _delay, after, ...spec } = task;
  return { v: 1, ...spec, after: after && [...after] };
}
