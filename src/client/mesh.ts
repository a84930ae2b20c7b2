import type { Redis } from 'ioredis';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { signingKeys } from '../config/security-settings.ts';
import type { Circuit } from '../domain/circuit.ts';
import type { Clock } from '../domain/clock.ts';
import type { Handover } from '../domain/handover.ts';
import type { Node } from '../domain/node.ts';
import type { ScheduleFailure } from '../domain/schedule.ts';
import type { Task } from '../domain/task.ts';
import type { TaskState } from '../domain/task-state.ts';
import { systemClock } from '../platform/clock.ts';
import { type OutboxCount, readOutboxes } from '../queue/bullmq/outbox.ts';
import type { RawQueues } from '../queue/bullmq/raw-queues.ts';
import { RunReader } from '../queue/bullmq/run-reader.ts';
import type { Enqueued } from '../queue/bullmq/task-producer.ts';
import { TaskReader } from '../queue/bullmq/task-reader.ts';
import { type HandoverFilter, HandoverLog } from '../queue/handover-log.ts';
import { ImportedJobs } from '../queue/imported-jobs.ts';
import type { TaskInput } from '../queue/new-task.ts';
import type { TaskFilter } from '../queue/task-filter.ts';
import { TaskSigner } from '../queue/task-signer.ts';
import { readUsage, type UsageSum } from '../queue/usage.ts';
import { connectForCommand, type RedisTarget } from '../redis/connection.ts';
import { MeshKeys } from '../redis/keys.ts';
import { redisTarget } from '../redis/target.ts';
import type { AlertFeed } from '../registry/alert-feed.ts';
import { NodeRegistry } from '../registry/node-registry.ts';
import { MeshCircuits } from './circuits.ts';
import type { ClientContext } from './context.ts';
import { MeshEvents } from './events.ts';
import { MeshNodes } from './nodes.ts';
import { explained, type OutageListener, throughOutages } from './outage.ts';
import { MeshPools } from './pools.ts';
import type { MeshSchedules } from './schedules.ts';
import { MeshServer } from './server.ts';
import { type Cancelled, MeshTasks, type WaitForTasksOptions } from './tasks.ts';

export interface MeshOptions {
  /** Path of the config file; by default the same search as on the command line. */
  readonly config?: string | undefined;
  /** Environment for `${VAR}` in the config; by default that of the process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export interface ConnectOptions {
  readonly clock: Clock;
  /** Connect to any server that replies, even if it can't carry a mesh. */
  readonly anyServer?: boolean;
  /** `service`: outlast Redis outages by {@link Mesh.throughOutages}; `cli`, the default: fail soon. */
  readonly role?: 'cli' | 'service';
  readonly onWaiting?: (why: string) => void;
}

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
 * Its parts have the names of the command groups: `clawmesh node drain mac-1` is `mesh.node.drain('mac-1')`. The mesh
 * itself also has the most common methods. Every method throws a {@link ClawmeshError} with a code, a one-line problem
 * and a remedy.
 */
export class Mesh {
  readonly config: Config;
  readonly task: MeshTasks;
  readonly node: MeshNodes;
  readonly pool: MeshPools;
  readonly circuit: MeshCircuits;
  /** The event log of the mesh. */
  readonly events: MeshEvents;
  /** Cron jobs of OpenClaw gateways that are schedules of the mesh now. */
  readonly importedJobs: ImportedJobs;
  /** Which nodes ran which tasks, and when. */
  readonly runs: RunReader;
  /** The Redis server that carries the mesh. */
  readonly server: MeshServer;
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #clock: Clock;
  readonly #handovers: HandoverLog;
  readonly #reader: TaskReader;
  readonly #target: RedisTarget;
  readonly #context: ClientContext;
  #schedules: MeshSchedules | undefined;

  private constructor(config: Config, redis: Redis, target: RedisTarget, clock: Clock) {
    this.config = config;
    this.#redis = redis;
    this.#target = target;
    this.#clock = clock;
    this.#keys = MeshKeys.of(config);
    this.#reader = new TaskReader(redis, this.#keys);
    this.#handovers = new HandoverLog(redis, this.#keys, this.#reader);
    const registry = new NodeRegistry(redis, this.#keys);
    const context: ClientContext = { config, redis, keys: this.#keys, reader: this.#reader, registry, clock };
    this.#context = context;
    this.task = new MeshTasks(context, (ask, options) => this.throughOutages(ask, options));
    this.node = new MeshNodes(context, this.task);
    this.pool = new MeshPools(context);
    this.events = new MeshEvents(context);
    this.runs = new RunReader(redis, this.#keys);
    this.circuit = new MeshCircuits(context, this.events);
    this.server = new MeshServer(context);
    this.importedJobs = new ImportedJobs(redis, this.#keys);
  }

  /** Reads the config and connects; reconnects after a lost connection. @throws ClawmeshError `config`, `redis`. */
  static async open(options: MeshOptions = {}): Promise<Mesh> {
    const env = options.env ?? process.env;
    const { config } = await loadConfig({ file: options.config, env });
    return Mesh.connect(config, redisTarget(config, env), { role: 'service', clock: systemClock });
  }

  /** Connects to the mesh of a loaded config; see {@link connectForCommand}. @throws ClawmeshError `redis`. */
  static async connect(config: Config, target: RedisTarget, options: ConnectOptions): Promise<Mesh> {
    return new Mesh(config, await connectForCommand(target, options.role ?? 'cli', options), target, options.clock);
  }

  /**
   * Replaces an error of Redis or its client with a one-line problem for an operator; returns other errors unchanged.
   */
  explain(error: unknown): unknown {
    return explained(error, this.#redis, this.#target);
  }

  /**
   * Repeats `ask`, which must only read, until Redis replies, however long that takes (or until `until`, monotonic time
   * in ms). Requires a connection of role `service`. @throws see {@link throughOutages}.
   */
  async throughOutages<T>(ask: () => Promise<T>, options: { until?: number } & OutageListener = {}): Promise<T> {
    return throughOutages(ask, { redis: this.#redis, target: this.#target, clock: this.#clock, ...options });
  }

  /** See {@link MeshTasks.enqueue}. */
  async enqueue(tasks: TaskInput | readonly TaskInput[]): Promise<Enqueued[]> {
    return this.task.enqueue(tasks);
  }

  /** The task with this id; undefined if there is none. */
  async get(id: string): Promise<Task | undefined> {
    return this.task.get(id);
  }

  /** Matching tasks, newest first, without their results; see {@link MeshTasks.withResults}. */
  async list(filter: Partial<TaskFilter> = {}): Promise<Task[]> {
    return this.task.list(filter);
  }

  /** See {@link MeshTasks.wait}. */
  async wait(ids: readonly string[], options: WaitForTasksOptions = {}): Promise<Task[]> {
    return this.task.wait(ids, options);
  }

  /** The kept log lines of a task, oldest first. @throws ClawmeshError `not-found`. */
  async logs(id: string): Promise<string[]> {
    return this.task.logs(id);
  }

  /** See {@link MeshTasks.cancel}. */
  async cancel(id: string, reason?: string): Promise<Cancelled> {
    return this.task.cancel(id, reason);
  }

  /** See {@link MeshTasks.retry}. */
  async retry(id: string): Promise<void> {
    return this.task.retry(id);
  }

  /** See {@link MeshTasks.remove}. */
  async remove(id: string, options: { only?: TaskState | undefined } = {}): Promise<void> {
    return this.task.remove(id, options);
  }

  /** All nodes that the mesh remembers. */
  async nodes(): Promise<Node[]> {
    return this.node.list();
  }

  /** Circuits that are open or have counted failures. */
  async circuits(): Promise<Circuit[]> {
    return this.circuit.list();
  }

  /** The handover log, newest first. */
  async handovers(filter: Partial<HandoverFilter> = {}): Promise<Handover[]> {
    return this.#handovers.list({ limit: 100, ...filter });
  }

  /**
   * Tokens that completed tasks have used, by day (UTC), agent and model; from the last `days`, or from the whole
   * retention by default.
   */
  async usage(days = Math.ceil(this.config.queue.retention.usage / 86_400_000) + 1): Promise<UsageSum[]> {
    return readUsage(this.#redis, this.#keys, days);
  }

  /** Schedules, which enqueue tasks repeatedly. */
  async schedules(): Promise<MeshSchedules> {
    const [{ Schedules }, { MeshSchedules }] = await Promise.all([
      import('../queue/bullmq/schedules.ts'),
      import('./schedules.ts'),
    ]);
    const signer = new TaskSigner(signingKeys(this.config), this.#keys.bullPrefix);
    const schedules = new Schedules(this.#redis, this.#keys, signer);
    this.#schedules ??= new MeshSchedules(this.#context, schedules, this.task);
    return this.#schedules;
  }

  /** Schedules whose next task the nodes could not queue. */
  async scheduleFailures(): Promise<ScheduleFailure[]> {
    return this.#reader.scheduleFailures();
  }

  /** The outboxes with answers that wait to be sent. */
  async outboxes(): Promise<OutboxCount[]> {
    return readOutboxes(this.#redis, this.#keys);
  }

  /** The pools as BullMQ's own queues, for inspection; the caller closes them. */
  async rawQueues(): Promise<RawQueues> {
    const { RawQueues } = await import('../queue/bullmq/raw-queues.ts');
    return new RawQueues(this.#redis, this.#keys);
  }

  /** The events that may need an alert; each goes to one of the feed's readers. `reader` is the name of this one. */
  async alertFeed(reader: string): Promise<AlertFeed> {
    const { AlertFeed } = await import('../registry/alert-feed.ts');
    return new AlertFeed(this.#redis, this.#keys, reader);
  }

  /** Disconnects. Calls under way fail. */
  async close(): Promise<void> {
    await this.task.close();
    await this.#schedules?.close().catch(() => {});
    this.#redis.disconnect();
  }
}
