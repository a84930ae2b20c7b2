import type { Config } from '../config/schema.ts';

/**
 * Names of all Redis keys of a mesh. All share one hash tag, `{<prefix>:<mesh>}`, so that scripts over several keys
 * work on Redis Cluster.
 *
 * Tasks are in BullMQ's keys, `{…}:<pool>:<what>`. Our own keys begin with `{…}/`, which BullMQ's scan for orphans
 * ignores.
 */
export class MeshKeys {
  /** The keys of the mesh that this config describes. */
  static of(config: Pick<Config, 'mesh' | 'redis'>): MeshKeys {
    return new MeshKeys({ prefix: config.redis?.prefix ?? 'clawmesh', mesh: config.mesh });
  }

  /** BullMQ's `prefix` option. */
  readonly bullPrefix: string;

  constructor(options: { prefix: string; mesh: string }) {
    this.bullPrefix = `{${options.prefix}:${options.mesh}}`;
  }

  /** String: the id that distinguishes this mesh from others of the same name. */
  get meshId(): string {
    return `${this.bullPrefix}/id`;
  }

  /**
   * Hash: node id → its current incarnation; all others are fenced. Field '': the highest incarnation of all forgotten
   * nodes.
   */
  get incarnations(): string {
    return `${this.bullPrefix}/incarnations`;
  }

  /** Hash: `<pool>:<node id>` → the newest lock token that has brought the node a task in this pool. */
  get lastTokens(): string {
    return `${this.bullPrefix}/tokens`;
  }

  /** Sorted set: node ids by the Redis time (ms) at which their lease ends. */
  get leases(): string {
    return `${this.bullPrefix}/leases`;
  }

  /** Hash: node id → its last heartbeat (JSON). */
  get nodes(): string {
    return `${this.bullPrefix}/nodes`;
  }

  /** Hash: node id → the pools that its incarnation serves, separated by spaces. */
  get serves(): string {
    return `${this.bullPrefix}/serves`;
  }

  /** Hash: `<node>~<incarnation>` declared dead → the reason and times (JSON), until its tasks have been requeued. */
  get deaths(): string {
    return `${this.bullPrefix}/deaths`;
  }

  /** Hash: node id → `<incarnation>@<run id of the Redis server>` of the last time its presence was seen. */
  get presence(): string {
    return `${this.bullPrefix}/presence`;
  }

  /** Hash: node id → Redis time (ms) since when its presence has been gone. */
  get absentSince(): string {
    return `${this.bullPrefix}/absent-since`;
  }

  /**
   * Hash: state of the sweep. It holds the times of the last sweep and of the last pass through all claims, the times
   * from which nodes are judged, and whether there is work.
   */
  get sweep(): string {
    return `${this.bullPrefix}/sweep`;
  }

  /**
   * Hash: node id → its desired state: `drain`, a drill, or `pause <since> <until> <details>` (Redis time, ms; until 0:
   * until it is resumed).
   */
  get control(): string {
    return `${this.bullPrefix}/control`;
  }

  /**
   * Hash: node id → `<incarnation> <Redis time (ms)>` since when it has had no lease; `pool <pool>` → since when it has
   * been empty.
   */
  get absent(): string {
    return `${this.bullPrefix}/absent`;
  }

  /** String: the node that does the mesh-wide cleanup. */
  get tidying(): string {
    return `${this.bullPrefix}/tidying`;
  }

  /** Prefix of the channels for presence; `<node>~<incarnation>` follows. */
  get presenceChannels(): string {
    return `${this.bullPrefix}/alive:`;
  }

  /** Prefix of the channels on which a daemon identifies itself; the question follows. */
  get answerChannels(): string {
    return `${this.bullPrefix}/who:`;
  }

  /** Channel that all nodes subscribe to. */
  get meshChannel(): string {
    return `${this.bullPrefix}/all`;
  }

  /** Counter: enqueues that waited for a replica. */
  get acknowledged(): string {
    return `${this.bullPrefix}/acknowledged`;
  }

  /** Set: every pool that a task was enqueued to or that a node serves. */
  get pools(): string {
    return `${this.bullPrefix}/pools`;
  }

  /** Sorted set: the cancelled tasks of a pool by the time they ended (ms). For BullMQ, they are failed tasks. */
  cancelledTasks(pool: string): string {
    return `${this.bullPrefix}/cancelled:${pool}`;
  }

  /** Sorted set: the failed tasks of a pool that an operator has acknowledged, by time (ms). */
  acknowledgedTasks(pool: string): string {
    return `${this.bullPrefix}/acknowledged:${pool}`;
  }

  /** Stream: the handover log. */
  get handovers(): string {
    return `${this.bullPrefix}/handovers`;
  }

  /**
   * Set: what tasks are held for, as `<pool> <why>`. `why` is `after`, a target, `circuit:<circuit>` or
   * `session:<agent>|<session>`.
   */
  get held(): string {
    return `${this.bullPrefix}/held`;
  }

  /** Sorted set: the tasks of a pool that are held for one reason, in the order of that reason. */
  heldTasks(pool: string, why: string): string {
    return `${this.heldTasksPrefix}${pool} ${why}`;
  }

  /** Prefix of the sorted sets of held tasks; `<pool> <why>` follows. */
  get heldTasksPrefix(): string {
    return `${this.bullPrefix}/held:`;
  }

  /** Hash: node → `<incarnation> <free slots of this pool> <Redis time (ms) when it was called, 0: not called>`. */
  freeSlots(pool: string): string {
    return `${this.bullPrefix}/free:${pool}`;
  }

  /** Hash: node → its turn in this pool, a growing number; field `''`: the last turn. */
  turns(pool: string): string {
    return `${this.bullPrefix}/turns:${pool}`;
  }

  /** Hash: node → `<running> <slots> <pressure>`, for all pools together. */
  get loads(): string {
    return `${this.bullPrefix}/loads`;
  }

  /** Prefix of the sorted sets that wake one node for a pool; the node follows. */
  wakeupPrefix(pool: string): string {
    return `${this.bullPrefix}/wakeup:${pool} `;
  }

  /** Prefix of the hashes with the state of a session, such as its sticky node; `<agent>|<session>` follows. */
  get sessionPrefix(): string {
    return `${this.bullPrefix}/session:`;
  }

  /** List: the last tasks of a session, as `<pool>:<id>`, newest first. */
  recentOfSession(session: string): string {
    return `${this.sessionPrefix}${session}:recent`;
  }

  /** Hash: circuit → its state (JSON). A missing circuit is closed. */
  get circuits(): string {
    return `${this.bullPrefix}/circuits`;
  }

  /** Number that grows whenever a circuit appears, opens or closes. */
  get circuitsVersion(): string {
    return `${this.bullPrefix}/circuits:version`;
  }

  /** Hash: `<agent>|<model>|<what>` → sum of one day (days since 1970, UTC). */
  usage(day: number): string {
    return `${this.bullPrefix}/usage:${day}`;
  }

  /** String: a running import of tasks, as `<first id> <tasks queued> <writer>`; named by the digest of its file. */
  taskImport(digest: string): string {
    return `${this.bullPrefix}/import:${digest}`;
  }

  /** Hash: name of a schedule → its definition (JSON). */
  get schedules(): string {
    return `${this.bullPrefix}/schedules`;
  }

  /** Hash: name of a schedule → why its next task could not be queued, until it can be. */
  get scheduleFailures(): string {
    return `${this.bullPrefix}/schedules:failures`;
  }

  /** Hash: name of a schedule → its latest task, as `<pool> <when it was due (ms)>`. */
  get scheduleLast(): string {
    return `${this.bullPrefix}/schedules:last`;
  }

  /** Set: the outboxes with answers to send. */
  get outboxes(): string {
    return `${this.bullPrefix}/outboxes`;
  }

  /**
   * Sorted set: tasks whose answer is to be sent through this channel, as `<pool> <task id>`, by the time (ms) of the
   * next try. While a node sends an answer, that is the end of its reservation.
   */
  outbox(box: string): string {
    return `${this.outboxPrefix}${box}`;
  }

  /** Prefix of the outboxes; `<channel>`, `<channel>/<account>` or `@webhook` follows. */
  get outboxPrefix(): string {
    return `${this.bullPrefix}/outbox:`;
  }

  /** Hash: `<gateway> <job>` → a cron job of an OpenClaw gateway that was imported as a schedule (JSON). */
  get importedJobs(): string {
    return `${this.bullPrefix}/imported-jobs`;
  }

  /** String: an alert that has been sent, as `<kind>:<subject>`. */
  alert(what: string): string {
    return `${this.bullPrefix}/alert:${what}`;
  }

  /** Stream: the events of the mesh. */
  get events(): string {
    return `${this.bullPrefix}/events`;
  }

  /** Prefix of the idempotency keys. */
  get idempotencyPrefix(): string {
    return `${this.bullPrefix}/key:`;
  }

  /**
   * String: the task of this idempotency key, as `<pool> <task id>`; `ended` follows once the task has been removed.
   */
  idempotency(key: string): string {
    return `${this.idempotencyPrefix}${key}`;
  }

  /** One of BullMQ's keys of a pool, e.g. `wait`, `active`, `meta`. */
  pool(pool: string, what: string): string {
    return `${this.bullPrefix}:${pool}:${what}`;
  }

  /** The hash that BullMQ keeps a task in. */
  task(pool: string, taskId: string): string {
    return `${this.bullPrefix}:${pool}:${taskId}`;
  }
}
