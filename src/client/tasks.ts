import { signingKeys } from '../config/security-settings.ts';
import { tokenOwner } from '../domain/claim.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { type FailedAttempt, lastFailedAttempt, linesOf } from '../domain/failed-attempt.ts';
import { asTyped, notFound } from '../domain/not-found.ts';
import type { NewTask, Task, TaskRef } from '../domain/task.ts';
import { allows, isEnded, statesBefore, type TaskState } from '../domain/task-state.ts';
import { type Requeued, requeueOrphanedClaims } from '../queue/bullmq/requeue.ts';
import { TaskControl } from '../queue/bullmq/task-control.ts';
import { readField, storedSpec } from '../queue/bullmq/task-fields.ts';
import type { SelectedTask } from '../queue/bullmq/task-lists.ts';
import type { Enqueued, TaskProducer } from '../queue/bullmq/task-producer.ts';
import { parseNewTask, type TaskInput } from '../queue/new-task.ts';
import type { TaskFilter } from '../queue/task-filter.ts';
import { TaskImport } from '../queue/task-import.ts';
import { changedTask, inputOf, type TaskChange } from '../queue/task-input.ts';
import { TaskSigner } from '../queue/task-signer.ts';
import { findOrphanedClaims, type OrphanedClaim } from '../registry/orphaned-claims.ts';
import type { ClientContext } from './context.ts';
import type { OutageListener } from './outage.ts';
import { openProducer } from './producer.ts';
import { resolveTask } from './resolve-task.ts';
import { type TaskOutlook, taskOutlook } from './task-outlook.ts';
import { waitForTasks } from './wait.ts';

/** State of a task after a cancel. */
export type Cancelled = 'cancelled' | 'stopping';

export interface WaitForTasksOptions extends OutageListener {
  /** Give up after this long, ms; never if absent. */
  readonly timeoutMs?: number | undefined;
  /** Called from time to time with the tasks that have not ended, and the time waited (ms). */
  readonly onProgress?: (running: readonly Task[], elapsedMs: number) => void;
  /** Ends the wait; the tasks continue. */
  readonly signal?: AbortSignal | undefined;
}

/** Interval between requests to stop a running task, ms: a message may be lost with a connection. */
const CANCEL_REPEAT_MS = 300;
/**
 * How long a cancel waits for the node, ms: it stops a run within 2 s, or by SIGKILL after 5 s if the run ignores
 * SIGTERM.
 */
const CANCEL_WAIT_MS = 8_000;

/** Queues, reads and steers tasks. */
export class MeshTasks {
  readonly #context: ClientContext;
  readonly #control: TaskControl;
  readonly #throughOutages: <T>(ask: () => Promise<T>, options: { until?: number } & OutageListener) => Promise<T>;
  #producer: Promise<TaskProducer> | undefined;

  /** @param throughOutages repeats a read until Redis is back; see {@link MeshTasks.wait} */
  constructor(
    context: ClientContext,
    throughOutages: <T>(ask: () => Promise<T>, options: { until?: number } & OutageListener) => Promise<T>,
  ) {
    this.#context = context;
    this.#control = new TaskControl(context.redis, context.keys);
    this.#throughOutages = throughOutages;
  }

  /**
   * Queues tasks, in order. Queues nothing if one of them is invalid.
   *
   * @throws ClawmeshError `usage` if a task is invalid; `not-found` if a task comes after one that does not exist.
   */
  async enqueue(tasks: TaskInput | readonly TaskInput[]): Promise<Enqueued[]> {
    const list = Array.isArray(tasks) ? (tasks as readonly TaskInput[]) : [tasks as TaskInput];
    const parsed: NewTask[] = [];
    for (const [index, task] of list.entries()) {
      const result = parseNewTask(task, { attempts: this.#context.config.queue.attempts });
      if (!('problems' in result)) parsed.push(result);
      else {
        const where = list.length > 1 ? `task ${index + 1}: ` : '';
        throw new ClawmeshError('usage', where + result.problems.join('; '), { remedy: 'nothing was queued' });
      }
    }
    return this.enqueueParsed(parsed);
  }

  /** Queues tasks that have been checked; see {@link withReferences}. */
  async enqueueParsed(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    const resolved = await this.withReferences(tasks);
    this.#producer ??= openProducer(this.#context.redis, this.#context.keys, this.#context.config);
    return this.withStates(await (await this.#producer).enqueue(resolved));
  }

  /**
   * The same tasks, with the pools of the tasks that they come after. Looks up each node and each preceding task that
   * they name once.
   *
   * @throws ClawmeshError `not-found` if there is no such node or task; `usage` if a task would never run.
   */
  async withReferences(tasks: readonly NewTask[]): Promise<NewTask[]> {
    for (const id of new Set(tasks.flatMap(({ node }) => node ?? []))) await this.checkNode(id);
    const before = new Map<string, TaskRef>();
    for (const id of new Set(tasks.flatMap(({ after = [] }) => after.map((task) => task.id)))) {
      before.set(id, { id, pool: (await this.precedable(id)).pool });
    }
    return tasks.map((task) => ({ ...task, after: task.after?.map((other) => before.get(other.id) ?? other) }));
  }

  /** What the mesh knows that concerns a task to be queued; changes nothing. */
  async outlook(task: NewTask): Promise<TaskOutlook> {
    return taskOutlook(this.#context, task);
  }

  /** Returns the same entries, each duplicate with its current state. */
  async withStates(enqueued: readonly Enqueued[]): Promise<Enqueued[]> {
    const duplicates = enqueued.filter(({ duplicate }) => duplicate);
    const states = await this.#context.reader.states(duplicates);
    const stateOf = new Map(duplicates.map((entry, index) => [entry, states[index] ?? ('gone' as const)]));
    return enqueued.map((entry) => ({ ...entry, state: stateOf.get(entry) ?? entry.state }));
  }

  /** Begins to queue the tasks of one file; see {@link TaskImport}. */
  async beginImport(digest: string): Promise<TaskImport> {
    return TaskImport.begin(this.#context.redis, this.#context.keys, digest);
  }

  /** Checks that a task for this node could ever run. @throws ClawmeshError `not-found` for an unknown node. */
  async checkNode(id: string): Promise<void> {
    const { registry, config } = this.#context;
    const known = [...(await registry.seen()).map((node) => node.id), ...Object.keys(config.nodes)];
    if (!known.includes(id)) throw notFound('node', id, known);
  }

  /** The task with this id; undefined if there is none. */
  async get(id: string): Promise<Task | undefined> {
    return this.#context.reader.get(id);
  }

  /**
   * The id of the task that a person means: an id in any case, its first characters (4 or more), or `beginning…end`.
   * Returns the text itself if it fits no task. All other methods take only complete ids.
   *
   * @throws ClawmeshError `usage` if it fits several tasks.
   */
  async resolve(text: string): Promise<string> {
    return resolveTask(this.#context.reader, text);
  }

  /** The existing tasks among these ids. */
  async getAll(ids: readonly string[]): Promise<Task[]> {
    return this.#context.reader.getAll(ids);
  }

  /** The task with this id. @throws ClawmeshError `not-found`. */
  async existing(id: string): Promise<Task> {
    const task = await this.get(id);
    if (task) return task;
    throw new ClawmeshError('not-found', `no task ${asTyped(id)}`, { remedy: 'see clawmesh task list' });
  }

  /**
   * The task, if other tasks may come after it. @throws ClawmeshError `not-found`; `usage` if those would never run.
   */
  async precedable(id: string): Promise<Task> {
    const task = await this.existing(id);
    if (!allows(task.state, 'retry')) return task;
    throw new ClawmeshError('usage', `task ${id} is ${task.state}, so a task after it would never run`, {
      remedy: `first: clawmesh task retry ${id}`,
    });
  }

  /** Matching tasks, newest first, without their results. */
  async list(filter: Partial<TaskFilter> = {}): Promise<Task[]> {
    return this.#context.reader.list({ limit: 100, ...filter });
  }

  /** As {@link list}, but without what may be long: for many tasks. */
  async select(filter: Partial<TaskFilter> = {}): Promise<SelectedTask[]> {
    return this.#context.reader.select({ limit: 100, ...filter });
  }

  /** The same tasks one by one with their results, which may be too long to be in memory all at once. */
  withResults(tasks: readonly Task[]): AsyncIterable<Task> {
    return this.#context.reader.withResults(tasks);
  }

  /** The longest-running tasks, longest first, at most `limit`. */
  async longestRunning(limit: number): Promise<Task[]> {
    return this.#context.reader.longestRunning(limit);
  }

  /**
   * The kept log lines of a task from number `from` on, oldest first. @throws ClawmeshError `not-found` for an unknown
   * id.
   */
  async logs(task: string | Task, from = 0): Promise<string[]> {
    return this.#context.reader.logs(typeof task === 'string' ? await this.existing(task) : task, from);
  }

  /**
   * The last failed attempt of a task, and its log lines that are still kept.
   *
   * @throws ClawmeshError `not-found`; `failed` if no attempt has failed.
   */
  async failedLog(id: string): Promise<FailedAttempt & { readonly lines: readonly string[] }> {
    const task = await this.existing(id);
    const failed = lastFailedAttempt(task.history);
    if (failed) return { ...failed, lines: linesOf(failed, await this.logs(task)) };
    throw new ClawmeshError('failed', `no attempt of task ${id} has failed`, {
      remedy: `see its whole log: clawmesh task logs ${id}`,
    });
  }

  /**
   * Waits until all these tasks have ended, through transient Redis outages.
   *
   * @throws ClawmeshError `not-found`; `timeout` after `timeoutMs`, while they continue; `redis` if an operator has to
   * act. The reason of the signal, once it aborts.
   */
  async wait(ids: readonly string[], options: WaitForTasksOptions = {}): Promise<Task[]> {
    const { onOutage, onBack, ...more } = options;
    const get = async (id: string) => {
      more.signal?.throwIfAborted();
      return this.get(id);
    };
    const read = (id: string, until?: number) =>
      this.#throughOutages(() => get(id), { onOutage, onBack, ...(until !== undefined && { until }) });
    return waitForTasks({ read, ids, clock: this.#context.clock, ...more });
  }

  /**
   * Cancels a task. If it runs, repeatedly tells its node to stop until the run has ended.
   *
   * @returns `stopping` if the node has not stopped the run within some seconds. Then the node is away, and the task
   * ends with its claim.
   * @throws ClawmeshError `not-found`; `failed` if the task has ended.
   */
  async cancel(id: string, reason = 'cancelled by hand'): Promise<Cancelled> {
    const { clock, registry } = this.#context;
    const deadline = clock.monotonic() + CANCEL_WAIT_MS;
    for (let first = true; ; first = false) {
      const task = await this.existing(id);
      if (isEnded(task.state)) {
        if (!first && task.state === 'cancelled') return 'cancelled';
        const remedy = `see clawmesh task show ${id}`;
        throw new ClawmeshError('failed', `task ${id} has already ended`, { remedy });
      }
      const answer = await this.#control.cancel(task, reason);
      if (answer === 'cancelled') return answer;
      if (typeof answer === 'object') {
        const owner = tokenOwner(answer.token);
        if (owner) await registry.tellCancelled(owner, id);
      }
      if (clock.monotonic() > deadline) return 'stopping';
      await clock.sleep(CANCEL_REPEAT_MS / (first ? 3 : 1));
    }
  }

  /**
   * Queues a failed or cancelled task again, with its original number of attempts.
   *
   * @throws ClawmeshError `not-found`; `failed` if it has completed or not ended.
   */
  async retry(id: string): Promise<void> {
    const task = await this.existing(id);
    const answer = await this.#control.retry(task);
    if (answer === 'waiting') return;
    const why = answer === 'gone' ? 'no longer exists' : answer === 'completed' ? 'has completed' : `is ${task.state}`;
    throw new ClawmeshError('failed', `task ${id} ${why}`, {
      remedy: `only ${statesBefore('retry', 'command').join(' and ')} tasks can be queued again`,
    });
  }

  /**
   * The input that creates such a task again, without its idempotency key, its delay and the tasks that it came after.
   *
   * @throws ClawmeshError `not-found`; `failed` if another program queued the task, or its signature is wrong.
   */
  async inputOf(id: string): Promise<TaskInput> {
    const { redis, keys, config } = this.#context;
    const task = await this.existing(id);
    const spec = readField(storedSpec, await redis.hget(keys.task(task.pool, id), 'data'));
    const signer = new TaskSigner(signingKeys(config), keys.bullPrefix);
    const problem = spec
      ? signer.problem(spec, task.pool, id)
      : 'another program has queued it, in a format of its own';
    if (spec && problem === undefined) return inputOf(spec, task);
    throw new ClawmeshError('failed', `task ${id} can't be queued again: ${problem}`, {
      remedy: 'enqueue a new task instead',
    });
  }

  /**
   * Queues a new task with the input of this one; see {@link inputOf}. `change` replaces fields of it.
   *
   * @throws ClawmeshError `not-found`; `failed`; `usage` if the changed input is invalid.
   */
  async rerun(id: string, change: TaskChange = {}): Promise<Enqueued> {
    const task = changedTask(await this.inputOf(id), change);
    if ('problems' in task)
      throw new ClawmeshError('usage', task.problems.join('; '), { remedy: 'nothing was queued' });
    const [enqueued] = await this.enqueueParsed([task]);
    return enqueued as Enqueued;
  }

  /**
   * Removes a task that does not run; with `only`, only if it is still in this state.
   *
   * @throws ClawmeshError `not-found`; `failed` if it runs, or is in another state.
   */
  async remove(id: string, options: { only?: TaskState | undefined } = {}): Promise<void> {
    const answer = await this.#control.remove(await this.existing(id), options);
    if (answer === 'other') throw inOtherState(await this.existing(id), 'it was not removed');
    if (answer !== 'active') return;
    throw new ClawmeshError('failed', `task ${id} is running`, { remedy: `first: clawmesh task cancel ${id}` });
  }

  /**
   * Acknowledges a failed task: `status` no longer reports it, and it is kept until it is removed or expires.
   *
   * @throws ClawmeshError `not-found`; `failed` if it has not failed.
   */
  async acknowledge(id: string): Promise<void> {
    const answer = await this.#control.acknowledge(await this.existing(id));
    if (answer === 'acknowledged') return;
    throw inOtherState(await this.existing(id), 'only failed tasks can be acknowledged');
  }

  /**
   * Sends the answer of an ended task to its recipient again, or at once if its delivery is pending.
   *
   * @throws ClawmeshError `not-found`; `failed` if it has not ended, or has no recipient.
   */
  async deliver(id: string): Promise<void> {
    const task = await this.existing(id);
    const answer = await this.#control.redeliver(task);
    if (answer === 'pending') return;
    if (answer === 'gone') throw new ClawmeshError('not-found', `task ${id} no longer exists`);
    if (answer === 'open') {
      throw new ClawmeshError('failed', `task ${id} is ${task.state}: it has no answer yet`, {
        remedy: 'its answer is sent when it has ended',
      });
    }
    throw new ClawmeshError('failed', `task ${id} has no recipient`, {
      remedy: 'name one when you enqueue: --deliver or --notify-webhook',
    });
  }

  /** Running tasks whose claim is orphaned: its node's incarnation has ended, or the claim has lapsed. */
  async orphaned(): Promise<OrphanedClaim[]> {
    return findOrphanedClaims(this.#context.redis, this.#context.keys);
  }

  /** Requeues orphaned tasks at once, as the next sweep of any node would. */
  async requeueOrphaned(): Promise<Requeued[]> {
    const { redis, keys, config } = this.#context;
    const { maxHandovers, visibilityTimeout: visibilityTimeoutMs } = config.queue;
    return requeueOrphanedClaims(redis, keys, { visibilityTimeoutMs, maxHandovers });
  }

  /** Ends the producer; called by {@link Mesh.close}. */
  async close(): Promise<void> {
    await this.#producer?.then((producer) => producer.close()).catch(() => {});
  }
}

function inOtherState({ id, state }: Task, remedy: string): ClawmeshError {
  return new ClawmeshError('failed', `task ${id} is ${state}`, { remedy });
}
