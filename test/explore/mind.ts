import type { Redis } from 'ioredis';
import type { Claim } from '../../src/domain/claim.ts';
import type { DispatchStrategy } from '../../src/domain/dispatch.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { type HeldFor, releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import type { Outbox, TakenDelivery } from '../../src/queue/bullmq/outbox.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { Schedules } from '../../src/queue/bullmq/schedules.ts';
import { TaskControl } from '../../src/queue/bullmq/task-control.ts';
import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { TaskReader } from '../../src/queue/bullmq/task-reader.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { NodeRegistry } from '../../src/registry/node-registry.ts';
import { newTask } from '../support/pool.ts';
import { BrokenPromise, type Entry, type Ledger } from './invariants.ts';
import { fieldOf, hasEnded, type Picture, takePicture } from './picture.ts';
import { BEGINNING, type NodeSpec, STICKY_MS, type WorldSpec } from './spec.ts';
import { type VirtualRedis, virtualRedis } from './virtual-redis.ts';

/** A run under way, as the daemon knows it. */
export interface Run {
  readonly claim: Claim;
  readonly queue: PoolConsumer;
}

/** One incarnation of a node's daemon. */
export interface Daemon {
  readonly node: NodeSpec;
  readonly incarnation: number;
  readonly line: VirtualRedis;
  readonly queues: ReadonlyMap<string, PoolConsumer>;
  /** Killed, or ended by itself since it was fenced. */
  over: boolean;
  runs: Run[];
  /** The runs that ended last, whose reports may arrive once more. */
  ended: Run[];
  /** The answers that it sends. */
  deliveries: { readonly delivery: TakenDelivery; readonly outbox: Outbox }[];
}

/** How steps call a daemon. */
export function nameOf({ node, incarnation }: Daemon): string {
  return `${node.id}~${incarnation}`;
}

/** Schedules that queue the next task once that is waited for, so that nothing happens between two steps. */
class AwaitedSchedules extends Schedules {
  #under: Promise<void>[] = [];
  /** The next task is not queued: the node dies, or its connection breaks, right after the claim. */
  loseNext = false;

  override async advance(pool: string, name: string, taskId: string): Promise<void> {
    if (this.loseNext) {
      this.loseNext = false;
      return;
    }
    const advancing = super.advance(pool, name, taskId);
    this.#under.push(advancing.catch(() => {}));
    await advancing;
  }

  async settle(): Promise<void> {
    while (this.#under.length > 0) await this.#under.pop();
  }
}

/** What a world is made of, and what an observer knows about that. */
export class Mind {
  readonly spec: WorldSpec;
  readonly redis: Redis;
  readonly keys = new MeshKeys({ prefix: 'c', mesh: 'w' });
  /** Of commands. */
  readonly line: VirtualRedis;
  readonly registry: NodeRegistry;
  readonly producer: TaskProducer;
  readonly reader: TaskReader;
  readonly control: TaskControl;
  readonly schedules: AwaitedSchedules;
  ledger: Ledger = new Map();
  /** What Redis has forgotten; a node may still run it. */
  readonly forgotten: Ledger = new Map();
  readonly daemons: Daemon[] = [];
  readonly paused = new Set<string>();
  /** `<pool> <token>` → the task that was claimed with it. */
  readonly tokens = new Map<string, string>();
  /** Schedule → whether it rests. */
  scheduled = new Map<string, { paused: boolean }>();
  /** Ids of the runs of schedules, in the order in which they were seen; `s1` is the first. */
  readonly scheduledRuns: string[] = [];
  /** Idempotency key → what was sent with it. */
  readonly sent = new Map<string, string>();
  strategy: DispatchStrategy = 'pull';
  now = BEGINNING;
  /** When Redis' clock jumped forward, as long as no time has passed since. */
  jumpedAt = 0;
  /** No sweep has come by since the clock jumped; in a mesh there is one each second. */
  unseenJump = false;
  picture: Picture = { tasks: new Map(), values: new Map(), streams: new Map() };

  constructor(spec: WorldSpec, redis: Redis) {
    this.spec = spec;
    this.redis = redis;
    this.line = virtualRedis(redis);
    const client = this.line.redis;
    this.registry = new NodeRegistry(client, this.keys);
    this.producer = new TaskProducer(client, this.keys);
    this.reader = new TaskReader(client, this.keys);
    this.control = new TaskControl(client, this.keys);
    this.schedules = new AwaitedSchedules(client, this.keys);
  }

  get pools(): string[] {
    return [...new Set(this.spec.nodes.flatMap(({ pools }) => pools))];
  }

  get current(): Daemon[] {
    return this.daemons.filter(({ over }) => !over);
  }

  daemonOf(node: NodeSpec): Daemon | undefined {
    return this.current.find((daemon) => daemon.node === node);
  }

  nodeOf(id: string): NodeSpec {
    const node = this.spec.nodes.find((each) => each.id === id);
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }

  /** Tasks that were queued, and that Redis has not forgotten. */
  get queued(): number {
    return [...this.ledger.keys()].filter((id) => !isScheduled(id)).length;
  }

  /** The task that steps call so: `1`, or `s1` for the first run of a schedule. */
  idOf(name: string): string {
    if (name.startsWith('s')) return this.scheduledRuns[Number(name.slice(1)) - 1] ?? '';
    return `${'0'.repeat(25)}${name}`;
  }

  nameOfTask(id: string): string {
    return isScheduled(id) ? `s${this.scheduledRuns.indexOf(id) + 1}` : String(Number(id));
  }

  entry(id: string): Entry {
    const entry = this.ledger.get(id) ?? this.forgotten.get(id);
    if (!entry) throw new BrokenPromise(`a task that was never queued was given out: ${id}`);
    return entry;
  }

  /** What Redis says is the node's current incarnation. */
  incarnationOf(nodeId: string): number {
    return Number(fieldOf(this.picture, this.keys.incarnations, nodeId));
  }

  /** Tasks that have not ended. */
  open(): string[] {
    return [...this.picture.tasks].flatMap(([id, task]) => (hasEnded(task) ? [] : [id]));
  }

  async look(): Promise<void> {
    this.picture = await takePicture(this.redis, this.keys, this.pools);
  }

  /** What schedules have queued, and taken back: no person asked for those tasks one by one. */
  noteScheduled(): void {
    for (const id of this.picture.tasks.keys()) {
      if (!isScheduled(id)) continue;
      if (!this.scheduledRuns.includes(id)) this.scheduledRuns.push(id);
      // A schedule that is removed and added again may have a run of the same name once more.
      const known = this.ledger.get(id);
      if (known?.removed === false) continue;
      const formerly = known ? known.formerly + Number(known.answers.size > 0) : 0;
      this.ledger.set(id, { ...newEntry(scheduledTask(), false), formerly });
    }
    for (const [id, entry] of this.ledger) {
      if (isScheduled(id) && entry.starts === 0 && !this.picture.tasks.has(id)) entry.removed = true;
    }
  }

  /** What a sweep does for held tasks. */
  async release(): Promise<readonly HeldFor[]> {
    const { heldFor } = await releaseHeld(this.line.redis, this.keys, { stickyTimeoutMs: STICKY_MS });
    for (const { pool, node } of heldFor) {
      if (node && !this.nodeOf(node).pools.includes(pool))
        throw new BrokenPromise(`tasks of pool ${pool} wait for ${node}, which does not serve it`);
    }
    return heldFor;
  }
}

/** What each schedule queues. */
export function scheduledTask(): NewTask {
  return newTask({ attempts: 2 });
}

export function newEntry(task: NewTask, duplicate: boolean): Entry {
  return { task, duplicate, removed: duplicate, formerly: 0, starts: 0, excused: 0, holder: '', answers: new Set() };
}

export function isScheduled(id: string): boolean {
  return id.startsWith('repeat:');
}
