import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { signingKeys } from '../config/security-settings.ts';
import type { Circuit } from '../domain/circuit.ts';
import { tokenOwner } from '../domain/claim.ts';
import { counted, listed } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { Handover } from '../domain/handover.ts';
import type { Node } from '../domain/node.ts';
import { asTyped, notFound } from '../domain/not-found.ts';
import type { NewTask, Task, TaskRef } from '../domain/task.ts';
import { allows, isEnded, statesBefore } from '../domain/task-state.ts';
import { listCircuits } from '../queue/bullmq/circuits.ts';
import { setPoolPaused } from '../queue/bullmq/pause-pool.ts';
import type { Schedules } from '../queue/bullmq/schedules.ts';
import { TaskControl } from '../queue/bullmq/task-control.ts';
import type { Enqueued, TaskProducer } from '../queue/bullmq/task-producer.ts';
import { TaskReader } from '../queue/bullmq/task-reader.ts';
import { type HandoverFilter, HandoverLog } from '../queue/handover-log.ts';
import { parseNewTask, type TaskInput } from '../queue/new-task.ts';
import type { TaskFilter } from '../queue/task-filter.ts';
import { TaskImport } from '../queue/task-import.ts';
import { TaskSigner } from '../queue/task-signer.ts';
import { readUsage, type UsageSum } from '../queue/usage.ts';
import { connectForCommand, type RedisTarget } from '../redis/connection.ts';
import { MeshKeys } from '../redis/keys.ts';
import { redisTarget } from '../redis/target.ts';
import { EventLog } from '../registry/event-log.ts';
import { forgetNode } from '../registry/forget-nodes.ts';
import { NodeRegistry } from '../registry/node-registry.ts';
import { explained, type OutageListener, throughOutages } from './outage.ts';
import { openProducer } from './producer.ts';
import { waitForTasks } from './wait.ts';

export interface MeshOptions {
  /** Path of the config file; found as the command line finds it where absent. */
  readonly config?: string | undefined;
  /** Environment for `${VAR}` in the config; the process's own where absent. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** What became of a cancelled task. */
export type Cancelled = 'cancelled' | 'stopping' | 'ended';

/** A running task is asked to stop this often, ms: a message may be lost with a connection. */
const CANCEL_REPEAT_MS = 300;
/** A node stops a run within 2 s unless it ignores SIGTERM; SIGKILL comes after 5 s. */
const CANCEL_WAIT_MS = 8_000;

/**
 * A mesh, for programs: queue tasks, follow them, steer them. The command line is built on it.
 *
 * ```ts
 * const mesh = await Mesh.open();
 * const [task] = await mesh.enqueue({ message: 'run the tests of repo x' });
 * const [ended] = await mesh.wait([task.id]);
 * console.log(ended.result?.text);
 * await mesh.close();
 * ```
 *
 * Every method throws a {@link ClawmeshError} with a code, one line of what is wrong, and what to do about it.
 */
export class Mesh {
  readonly config: Config;
  readonly redis: Redis;
  readonly keys: MeshKeys;
  readonly reader: TaskReader;
  readonly registry: NodeRegistry;
  readonly control: TaskControl;
  /** What happened in the mesh. */
  readonly events: EventLog;
  readonly #handovers: HandoverLog;
  readonly #target: RedisTarget;
  #producer: Promise<TaskProducer> | undefined;
  #schedules: Schedules | undefined;

  private constructor(config: Config, redis: Redis, target: RedisTarget) {
    this.config = config;
    this.redis = redis;
    this.#target = target;
    this.keys = MeshKeys.of(config);
    this.reader = new TaskReader(redis, this.keys);
    this.registry = new NodeRegistry(redis, this.keys);
    this.control = new TaskControl(redis, this.keys);
    this.events = new EventLog(redis, this.keys);
    this.#handovers = new HandoverLog(redis, this.keys, this.reader);
  }

  /** Reads the config and connects; a lost connection is made again. @throws ClawmeshError `config`, `redis`. */
  static async open(options: MeshOptions = {}): Promise<Mesh> {
    const env = options.env ?? process.env;
    const { config } = await loadConfig({ file: options.config, env });
    return Mesh.connect(config, redisTarget(config, env), { role: 'service' });
  }

  /** Connects to the mesh of a config that has been loaded already; see {@link connectForCommand}. @throws ClawmeshError `redis`. */
  static async connect(
    config: Config,
    target: RedisTarget,
    options: { anyServer?: boolean; role?: 'cli' | 'service'; onWaiting?: (why: string) => void } = {},
  ): Promise<Mesh> {
    return new Mesh(config, await connectForCommand(target, options.role ?? 'cli', options), target);
  }

  /** The line a person needs instead of what Redis or its client said; other errors as they are. */
  explain(error: unknown): unknown {
    return explained(error, this.redis, this.#target);
  }

  /**
   * What `ask`, which only reads, answers: once Redis does, however long that takes (or until `until`, monotonic time in ms).
   * Needs a connection of role `service`. @throws see {@link throughOutages}.
   */
  async throughOutages<T>(ask: () => Promise<T>, options: { until?: number } & OutageListener = {}): Promise<T> {
    return throughOutages(ask, { redis: this.redis, target: this.#target, ...options });
  }

  /**
   * Queues tasks, in order. Nothing is queued where one of them is not right.
   *
   * @throws ClawmeshError `usage` for what is wrong with a task; `not-found` where it comes after one that is not there.
   */
  async enqueue(tasks: TaskInput | readonly TaskInput[]): Promise<Enqueued[]> {
    const list = Array.isArray(tasks) ? (tasks as readonly TaskInput[]) : [tasks as TaskInput];
    const parsed: NewTask[] = [];
    for (const [index, task] of list.entries()) {
      const result = parseNewTask(task, { attempts: this.config.queue.attempts });
      if (!('problems' in result)) parsed.push(result);
      else {
        const where = list.length > 1 ? `task ${index + 1}: ` : '';
        throw new ClawmeshError('usage', where + result.problems.join('; '), { remedy: 'nothing was queued' });
      }
    }
    return this.enqueueParsed(parsed);
  }

  /** The same for tasks that have been checked; what several of them name is looked up once. */
  async enqueueParsed(tasks: readonly NewTask[]): Promise<Enqueued[]> {
    for (const id of new Set(tasks.flatMap(({ node }) => node ?? []))) await this.checkNode(id);
    const before = new Map<string, TaskRef>();
    for (const id of new Set(tasks.flatMap(({ after = [] }) => after.map((task) => task.id)))) {
      before.set(id, { id, pool: (await this.precedable(id)).pool });
    }
    const resolved = tasks.map((task) => ({
      ...task,
      after: task.after?.map((other) => before.get(other.id) ?? other),
    }));
    return this.withStates(await (await this.producer()).enqueue(resolved));
  }

  /** The same, with the state that each duplicate has by now. */
  async withStates(enqueued: readonly Enqueued[]): Promise<Enqueued[]> {
    const duplicates = enqueued.filter(({ duplicate }) => duplicate);
    const states = await this.reader.states(duplicates);
    const stateOf = new Map(duplicates.map((entry, index) => [entry, states[index] ?? ('gone' as const)]));
    return enqueued.map((entry) => ({ ...entry, state: stateOf.get(entry) ?? entry.state }));
  }

  /** Queues the tasks of one file; see {@link TaskImport}. */
  async beginImport(digest: string): Promise<TaskImport> {
    return TaskImport.begin(this.redis, this.keys, digest);
  }

  /** Queues what has been checked and comes after nothing. */
  async producer(): Promise<TaskProducer> {
    this.#producer ??= openProducer(this.redis, this.keys, this.config);
    return this.#producer;
  }

  /** Tasks that are queued again and again. */
  async schedules(): Promise<Schedules> {
    const { Schedules } = await import('../queue/bullmq/schedules.ts');
    this.#schedules ??= new Schedules(
      this.redis,
      this.keys,
      new TaskSigner(signingKeys(this.config), this.keys.bullPrefix),
    );
    return this.#schedules;
  }

  /** The task with this id; undefined where there is none. */
  async get(id: string): Promise<Task | undefined> {
    return this.reader.get(id);
  }

  /** The task with this id. @throws ClawmeshError `not-found`. */
  async existing(id: string): Promise<Task> {
    const task = await this.reader.get(id);
    if (task) return task;
    throw new ClawmeshError('not-found', `no task ${asTyped(id)}`, { remedy: 'see clawmesh task list' });
  }

  /** The task, which others may come after. @throws ClawmeshError `not-found`; `usage` where they would never run. */
  async precedable(id: string): Promise<Task> {
    const task = await this.existing(id);
    if (!allows(task.state, 'retry')) return task;
    throw new ClawmeshError('usage', `task ${id} is ${task.state}; what comes after it would never run`, {
      remedy: `first: clawmesh task retry ${id}`,
    });
  }

  /** Tasks that match, newest first. */
  async list(filter: Partial<TaskFilter> = {}): Promise<Task[]> {
    return this.reader.list({ limit: 100, ...filter });
  }

  /**
   * Waits until all these tasks have ended. Trouble of Redis that passes by itself is waited out.
   *
   * @throws ClawmeshError `not-found`; `timeout` after `timeoutMs`, while they go on; `redis` where somebody has to mend it.
   */
  async wait(
    ids: readonly string[],
    options: {
      timeoutMs?: number | undefined;
      onProgress?: (running: readonly Task[], elapsedMs: number) => void;
    } & OutageListener = {},
  ): Promise<Task[]> {
    const { onOutage, onBack, ...more } = options;
    const read = (id: string, until?: number) =>
      this.throughOutages(() => this.reader.get(id), { onOutage, onBack, ...(until !== undefined && { until }) });
    return waitForTasks({ read, ids, ...more });
  }

  /** The kept log lines of a task, oldest first. */
  async logs(id: string): Promise<string[]> {
    return this.reader.logs(await this.existing(id));
  }

  /**
   * Cancels a task. Of one that runs, the node is told, until it has stopped it.
   *
   * @returns `ended` where it had ended before; `stopping` where the node has not stopped it within some seconds (it is
   * away; the task ends when its claim does). @throws ClawmeshError `not-found`.
   */
  async cancel(id: string, reason = 'cancelled by hand'): Promise<Cancelled> {
    const deadline = performance.now() + CANCEL_WAIT_MS;
    for (let first = true; ; first = false) {
      const task = await this.existing(id);
      if (isEnded(task.state)) return first || task.state !== 'cancelled' ? 'ended' : 'cancelled';
      const answer = await this.control.cancel(task, reason);
      if (answer === 'cancelled') return answer;
      if (typeof answer === 'object') {
        const owner = tokenOwner(answer.token);
        if (owner) await this.registry.tellCancelled(owner, id);
      }
      if (performance.now() > deadline) return 'stopping';
      await sleep(CANCEL_REPEAT_MS / (first ? 3 : 1));
    }
  }

  /**
   * Queues a failed or cancelled task again, with as many attempts as it had at first.
   *
   * @throws ClawmeshError `not-found`; `failed` where it has completed or not ended.
   */
  async retry(id: string): Promise<void> {
    const task = await this.existing(id);
    const answer = await this.control.retry(task);
    if (answer === 'waiting') return;
    const why = answer === 'gone' ? 'is gone' : answer === 'completed' ? 'has completed' : `is ${task.state}`;
    throw new ClawmeshError('failed', `task ${id} ${why}`, {
      remedy: `only ${statesBefore('retry', 'command').join(' and ')} tasks can be queued again`,
    });
  }

  /**
   * Removes a task that does not run; with `onlyFailed` only one that has failed.
   *
   * @throws ClawmeshError `not-found`; `failed` where it runs, or has not failed.
   */
  async remove(id: string, options: { onlyFailed?: boolean } = {}): Promise<void> {
    const answer = await this.control.remove(await this.existing(id), options);
    if (answer === 'other') throw notFailed(await this.existing(id), 'it was left alone');
    if (answer !== 'active') return;
    throw new ClawmeshError('failed', `task ${id} is running`, { remedy: `first: clawmesh task cancel ${id}` });
  }

  /**
   * Acknowledges that a task failed: `status` no longer tells of it, and it stays until it is removed or expires.
   *
   * @throws ClawmeshError `not-found`; `failed` where it has not failed.
   */
  async acknowledge(id: string): Promise<void> {
    const answer = await this.control.acknowledge(await this.existing(id));
    if (answer === 'acknowledged') return;
    throw notFailed(await this.existing(id), 'only failed tasks can be acknowledged');
  }

  /** That a task for this node could ever run. @throws ClawmeshError `not-found` where nobody knows it. */
  async checkNode(id: string): Promise<void> {
    const known = [...(await this.registry.seen()).map((node) => node.id), ...Object.keys(this.config.nodes)];
    if (!known.includes(id)) throw notFound('node', id, known);
  }

  /** Lets a pool rest in the whole mesh, or go on; what runs is not touched. @throws ClawmeshError `not-found`. */
  async setPoolPaused(pool: string, paused: boolean): Promise<void> {
    const pools = await this.reader.pools();
    if (!pools.includes(pool)) throw notFound('pool', pool, pools);
    await setPoolPaused(this.redis, this.keys, pool, paused);
    await this.registry.tellPaused();
  }

  /** All nodes that were ever there. */
  async nodes(): Promise<Node[]> {
    return this.registry.list();
  }

  /** The node with this id. @throws ClawmeshError `not-found`. */
  async existingNode(id: string): Promise<Node> {
    const nodes = await this.nodes();
    const ids = nodes.map((node) => node.id);
    return nodes[ids.indexOf(id)] ?? Promise.reject(notFound('node', id, ids));
  }

  /**
   * Forgets a node that is away for good: a Mac that was retired. One that comes back is a new node.
   *
   * @throws ClawmeshError `not-found`; `failed` where its lease runs, or tasks are still locked by it.
   */
  async forgetNode(id: string): Promise<void> {
    const forgotten = await forgetNode(this.redis, this.keys, id);
    if (forgotten.outcome === 'forgotten') return;
    const nodes = await this.registry.seen();
    if (forgotten.outcome === 'unknown') {
      throw notFound(
        'node',
        id,
        nodes.map((node) => node.id),
      );
    }
    if (forgotten.outcome === 'holds') {
      const { tasks } = forgotten;
      throw new ClawmeshError('failed', `node ${id} still holds ${counted(tasks.length, 'task')}: ${listed(tasks)}`, {
        remedy: `clawmesh node evict ${id} puts them back; then forget it`,
      });
    }
    const state = nodes.find((node) => node.id === id)?.state ?? 'up';
    throw new ClawmeshError('failed', `node ${id} is ${state}`, {
      remedy: `stop its daemon first; if that Mac is gone: clawmesh node evict ${id}, then forget it`,
    });
  }

  /** The handover log, newest first. */
  async handovers(filter: Partial<HandoverFilter> = {}): Promise<Handover[]> {
    return this.#handovers.list({ limit: 100, ...filter });
  }

  /** The providers in trouble. */
  async circuits(): Promise<Circuit[]> {
    return listCircuits(this.redis, this.keys);
  }

  /** Tokens that completed tasks have used, by day (UTC), agent and model; of the last `days`, or of all that are kept. */
  async usage(days = Math.ceil(this.config.queue.keep.usage / 86_400_000) + 1): Promise<UsageSum[]> {
    return readUsage(this.redis, this.keys, days);
  }

  async close(): Promise<void> {
    await this.#producer?.then((producer) => producer.close()).catch(() => {});
    await this.#schedules?.close().catch(() => {});
    this.redis.disconnect();
  }
}

function notFailed({ id, state }: Task, remedy: string): ClawmeshError {
  return new ClawmeshError('failed', `task ${id} is ${state}`, { remedy });
}
