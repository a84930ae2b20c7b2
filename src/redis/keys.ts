import type { Config } from '../config/schema.ts';

/**
 * Names of all Redis keys of a mesh. Everything stands under one hash tag, so that scripts over several keys work on
 * Redis Cluster: `{<prefix>:<mesh>}`.
 *
 * Tasks live in BullMQ's keys, `{…}:<pool>:<what>`. Ours begin with `{…}/`, outside what BullMQ scans for orphans.
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

  /** String: what tells this mesh from every other one of the same name. */
  get meshId(): string {
    return `${this.bullPrefix}/id`;
  }

  /**
   * Hash: node id → its current incarnation. An incarnation that is not the current one is fenced. Of '': the highest
   * one
   * of all nodes that were forgotten.
   */
  get incarnations(): string {
    return `${this.bullPrefix}/incarnations`;
  }

  /** Hash: `<pool>:<node id>` → the newest lock token with which that node has claimed a task there. */
  get lastTokens(): string {
    return `${this.bullPrefix}/tokens`;
  }

  /** Sorted set: node id by the Redis time (ms) at which its lease ends. */
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

  /** Hash: `<node>~<incarnation>` declared dead → why and since when (JSON), until its tasks have been requeued. */
  get deaths(): string {
    return `${this.bullPrefix}/deaths`;
  }

  /** Hash: node id → `<incarnation>@<run id of the Redis server>` on which its presence was seen. */
  get presence(): string {
    return `${this.bullPrefix}/presence`;
  }

  /** Hash: node id → Redis time (ms) since when its presence is gone. */
  get absentSince(): string {
    return `${this.bullPrefix}/absent-since`;
  }

  /**
   * Hash: when the mesh was swept last and its claims were looked through, from when on nodes are judged, whether there
   * is work.
   */
  get sweep(): string {
    return `${this.bullPrefix}/sweep`;
  }

  /** Hash: node id → what somebody wants of it (`drain`). */
  get control(): string {
    return `${this.bullPrefix}/control`;
  }

  /**
   * Hash: node id → `<incarnation> <Redis time (ms)>` since when it has no lease; `pool <pool>` → since when it is
   * empty.
   */
  get absent(): string {
    return `${this.bullPrefix}/absent`;
  }

  /** String: the node that tidies up what is nobody's own. */
  get tidying(): string {
    return `${this.bullPrefix}/tidying`;
  }

  /** Begin of the channels that nodes show their presence on; `<node>~<incarnation>` follows. */
  get presenceChannels(): string {
    return `${this.bullPrefix}/alive:`;
  }

  /** Begin of the channels on which a daemon answers which one it is; the question follows. */
  get answerChannels(): string {
    return `${this.bullPrefix}/who:`;
  }

  /** Channel that all nodes listen on. */
  get meshChannel(): string {
    return `${this.bullPrefix}/all`;
  }

  /** Counter: enqueues that waited for a replica. */
  get acknowledged(): string {
    return `${this.bullPrefix}/acknowledged`;
  }

  /** Set: every pool a task was ever enqueued to or a node serves. */
  get pools(): string {
    return `${this.bullPrefix}/pools`;
  }

  /**
   * Sorted set: the failed tasks of a pool that somebody has cancelled, by when they ended (ms); for BullMQ they have
   * failed.
   */
  cancelledTasks(pool: string): string {
    return `${this.bullPrefix}/cancelled:${pool}`;
  }

  /** Sorted set: the failed tasks of a pool that an operator has seen, by when (ms). */
  acknowledgedTasks(pool: string): string {
    return `${this.bullPrefix}/acknowledged:${pool}`;
  }

  /** Stream: the handover log. */
  get handovers(): string {
    return `${this.bullPrefix}/handovers`;
  }

  /**
   * Set: what is held back, as `<pool> <why>`; why is `after`, a target, `circuit:<circuit>` or
   * `session:<agent>|<session>`.
   */
  get held(): string {
    return `${this.bullPrefix}/held`;
  }

  /** Sorted set: the tasks of a pool that are held back for one reason, by when (ms). */
  heldTasks(pool: string, why: string): string {
    return `${this.heldTasksPrefix}${pool} ${why}`;
  }

  /** Begin of the names of held tasks; `<pool> <why>` follows. */
  get heldTasksPrefix(): string {
    return `${this.bullPrefix}/held:`;
  }

  /** Hash: node → `<incarnation> <free slots of this pool> <Redis time (ms) when it was called, 0: not>`. */
  freeSlots(pool: string): string {
    return `${this.bullPrefix}/free:${pool}`;
  }

  /** Hash: node → its turn in this pool, a number that grows; of `''`, the last one. */
  turns(pool: string): string {
    return `${this.bullPrefix}/turns:${pool}`;
  }

  /** Hash: node → `<running> <slots> <pressure>`, all pools together. */
  get loads(): string {
    return `${this.bullPrefix}/loads`;
  }

  /** Begin of the names of sorted sets that wake one node for a pool; the node follows. */
  wakeupPrefix(pool: string): string {
    return `${this.bullPrefix}/wakeup:${pool} `;
  }

  /** Begin of the names of hashes that tell where a session is at home; `<agent>|<session>` follows. */
  get sessionPrefix(): string {
    return `${this.bullPrefix}/session:`;
  }

  /** List: the last tasks of a session, as `<pool>:<id>`, newest first. */
  recentOfSession(session: string): string {
    return `${this.sessionPrefix}${session}:recent`;
  }

  /** Hash: circuit → its state (JSON). One that is not there is closed. */
  get circuits(): string {
    return `${this.bullPrefix}/circuits`;
  }

  /** Number that grows whenever a circuit appears, opens or closes. */
  get circuitsVersion(): string {
    return `${this.bullPrefix}/circuits:version`;
  }

  /** Hash: `<agent>|<model>|<what>` → sum, of one day (since 1970, UTC). */
  usage(day: number): string {
    return `${this.bullPrefix}/usage:${day}`;
  }

  /** String: an import of tasks that is under way, as `<first id> <tasks queued>`; named by the digest of its file. */
  taskImport(digest: string): string {
    return `${this.bullPrefix}/import:${digest}`;
  }

  /** Hash: name of a schedule → what it is (JSON). */
  get schedules(): string {
    return `${this.bullPrefix}/schedules`;
  }

  /** Hash: name of a schedule → why its next task could not be queued, until it could. */
  get scheduleFailures(): string {
    return `${this.bullPrefix}/schedules:failures`;
  }

  /** String: somebody has been told of this, as `<kind>:<subject>`. */
  alert(what: string): string {
    return `${this.bullPrefix}/alert:${what}`;
  }

  /** Stream: what happened in the mesh. */
  get events(): string {
    return `${this.bullPrefix}/events`;
  }

  /** Begin of the names of idempotency keys. */
  get idempotencyPrefix(): string {
    return `${this.bullPrefix}/key:`;
  }

  /**
   * String: the task that was enqueued with this idempotency key, as `<pool> <task id>`; `ended` follows where it's
   * gone.
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
