import { configSchema } from '../../../src/config/schema.ts';
import type { Claim } from '../../../src/domain/claim.ts';
import { hasCode } from '../../../src/domain/errors.ts';
import { formatHoldReason, isEligible, parseHoldReason, sessionReason } from '../../../src/domain/hold-reason.ts';
import { type Allowed, mayRun } from '../../../src/domain/target.ts';
import { type NewTask, type Outcome, type Task, taskError } from '../../../src/domain/task.ts';
import { isEnded } from '../../../src/domain/task-state.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { Circuits } from '../../../src/queue/bullmq/circuits.ts';
import { HELD_SCORE, type HeldFor, releaseHeld } from '../../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../../src/queue/bullmq/pause-pool.ts';
import { PoolConsumer } from '../../../src/queue/bullmq/pool-consumer.ts';
import { requeueOrphanedClaims } from '../../../src/queue/bullmq/requeue.ts';
import { Schedules } from '../../../src/queue/bullmq/schedules.ts';
import { TaskControl } from '../../../src/queue/bullmq/task-control.ts';
import { TaskProducer } from '../../../src/queue/bullmq/task-producer.ts';
import { TaskReader } from '../../../src/queue/bullmq/task-reader.ts';
import { TaskSigner } from '../../../src/queue/task-signer.ts';
import { connectRedis, openRedis, type RedisTarget } from '../../../src/redis/connection.ts';
import { MeshKeys } from '../../../src/redis/keys.ts';
import { NodeRegistry } from '../../../src/registry/node-registry.ts';
import { aNodeRecord } from '../node-record.ts';
import { newTask } from '../pool.ts';
import { seeded } from '../seeded.ts';
import { sweepHow } from '../sweep-how.ts';
import { type LossyRedis, lossyRedis, ReplyLost } from './lossy-redis.ts';

/** A day, ms: nothing ends by itself; what shall end is made to. */
const LONG_MS = 86_400_000;
const MAX_HANDOVERS = 4;
const SLOTS = 2;

interface NodeProfile {
  readonly id: string;
  readonly pools: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly allow?: Allowed;
}

const POOLS = ['a', 'b'] as const;
const PROFILES: readonly NodeProfile[] = [
  { id: 'mac-1', pools: ['a', 'b'], labels: { gpu: 'yes' } },
  { id: 'mac-2', pools: ['a'], labels: {}, allow: { agents: ['main', 'x'] } },
  { id: 'mac-3', pools: ['a', 'b'], labels: { gpu: 'yes', big: 'yes' } },
];

/** A run under way, as the daemon would know it. */
interface Run {
  readonly node: NodeInMesh;
  readonly queue: PoolConsumer;
  readonly claim: Claim;
  /** Its daemon has been replaced or killed; what it still says must change nothing. */
  zombie: boolean;
}

interface NodeInMesh {
  readonly profile: NodeProfile;
  incarnation: number;
  up: boolean;
  queues: Map<string, PoolConsumer>;
  line: LossyRedis;
  /** Reasons for which tasks may be held for it, by pool. */
  readonly heldFor: Map<string, Set<string>>;
}

/** What the driver knows of a task that it has queued. */
interface Known {
  readonly id: string;
  readonly task: NewTask;
  removed: boolean;
  /** Runs begun since it was queued, or queued again. */
  starts: number;
  /** Runs that ended without an attempt being used up: handed to another node, or held for its provider. */
  excused: number;
  /** The answers that were given for it; one of them must be its result. */
  readonly answers: Set<string>;
  /** Its answer has been looked at. */
  checked: boolean;
}

/** A promise that did not hold, with the way that led there. */
export class BrokenInvariant extends Error {}

/**
 * Random operations on the ports that the daemon and the commands use, against a real Redis, one after the other. After
 * each of them the promises are checked that must hold at any time; {@link World.drain} checks that everything ends.
 */
export class World {
  readonly #random: () => number;
  readonly #trace: string[] = [];
  readonly #known = new Map<string, Known>();
  readonly #tokens = new Map<string, string>();
  readonly #nodes: NodeInMesh[];
  #runs: Run[] = [];
  /** Claims that have been reported once. */
  #reported: Run[] = [];
  readonly #redis;
  readonly #keys: MeshKeys;
  readonly #registry: NodeRegistry;
  readonly #producer: TaskProducer;
  readonly #reader: TaskReader;
  readonly #control: TaskControl;
  readonly #schedules: Schedules;
  readonly #paused = new Set<string>();
  readonly #consumers: PoolConsumer[] = [];
  /** Operations that have done something. */
  readonly #tried = new Set<string>();

  private constructor(seed: number, redis: ReturnType<typeof connectRedis>, keys: MeshKeys) {
    this.#random = seeded(seed);
    this.#redis = redis;
    this.#keys = keys;
    this.#registry = new NodeRegistry(redis, keys);
    this.#producer = new TaskProducer(redis, keys);
    this.#reader = new TaskReader(redis, keys);
    this.#control = new TaskControl(redis, keys);
    this.#schedules = new Schedules(redis, keys);
    this.#nodes = PROFILES.map((profile) => ({
      profile,
      incarnation: 0,
      up: false,
      queues: new Map(),
      line: lossyRedis(redis),
      heldFor: new Map(profile.pools.map((pool) => [pool, new Set<string>()])),
    }));
  }

  static async open(url: string, seed: number): Promise<World> {
    const mesh = `i${seed}`;
    const config = configSchema.parse({ mesh, redis: { url } });
    const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<typeof config.redis> };
    const redis = connectRedis(target, 'daemon', 'test');
    await openRedis(redis, target);
    const world = new World(seed, redis, new MeshKeys({ prefix: 'clawmesh', mesh }));
    for (const node of world.#nodes) await world.#startNode(node);
    return world;
  }

  async close(): Promise<void> {
    await this.#producer.close();
    await this.#schedules.close();
    for (const consumer of this.#consumers) await consumer.close();
    this.#redis.disconnect();
  }

  /** This many operations, with the checks. @throws BrokenInvariant. */
  async explore(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const [name, operation] = this.#pickWeighted(OPERATIONS);
      this.#trace.push(`#${step} ${name}`);
      await this.#guarded(async () => {
        if ((await operation.call(this)) !== false) this.#tried.add(name);
      });
      if (step % 10 === 9) await this.#checkTasks();
    }
  }

  untried(): string[] {
    return OPERATIONS.map(([name]) => name).filter((name) => !this.#tried.has(name));
  }

  /** All is well again, and every run succeeds: every task must end. @throws BrokenInvariant. */
  async drain(): Promise<void> {
    this.#trace.push('drain');
    for (const pool of this.#paused) await setPoolPaused(this.#redis, this.#keys, pool, false);
    for (const node of this.#nodes) if (!node.up) await this.#startNode(node);
    for (const node of this.#nodes) await this.#recover(node);
    await this.#lapseStrangers();
    let idle = 0;
    while (idle < 8) {
      const before = await this.#openTasks();
      if (before.length === 0) return this.#checkTasks();
      await this.#guarded(() => this.#drainRound(idle));
      const after = await this.#openTasks();
      idle = after.length < before.length ? 0 : idle + 1;
    }
    const open = await this.#openTasks();
    const shown = open.slice(0, 5).map((task) => this.#describe(task));
    this.#broken(
      `${open.length} tasks never end, though all nodes are up and every run succeeds:\n${shown.join('\n')}`,
    );
  }

  async #drainRound(idle: number): Promise<void> {
    for (const run of [...this.#runs]) if (!run.zombie) await this.#report(run, this.#success(run));
    await this.#passTime();
    await this.#requeue();
    // Whatever waits for a node that does not take it gets there once the longest wait is over.
    await this.#releaseHeld(idle > 1 ? { stickyTimeoutMs: 0 } : undefined);
    for (const node of this.#nodes) {
      for (const [pool, queue] of node.queues) {
        for (const reason of [...(node.heldFor.get(pool) ?? [])]) {
          for (;;) {
            const claim = await queue.claimHeld(reason);
            if (!claim) break;
            const run = await this.#begun(node, claim);
            if (run) await this.#report(run, this.#success(run));
          }
          node.heldFor.get(pool)?.delete(reason);
        }
        for (let empty = 0; empty < 8; ) {
          const claim = await queue.claim();
          const run = claim && (await this.#begun(node, claim));
          if (run) await this.#report(run, this.#success(run));
          else empty++;
        }
      }
    }
  }

  // Operations. Each returns false if there was nothing to do.

  async enqueue(): Promise<void> {
    const pool = this.#pick(POOLS);
    const before = [...this.#known.values()].filter(({ removed }) => !removed).slice(-6);
    const maybe = <T>(chance: number, value: () => T) => (this.#random() < chance ? value() : undefined);
    const after = maybe(0.15, () => [this.#pick(before), this.#pick(before)].filter((known) => known !== undefined));
    const target = this.#random();
    const task = newTask({
      pool,
      attempts: 1 + Math.floor(this.#random() * 3),
      priority: this.#random() < 0.2 ? 1 + Math.floor(this.#random() * 3) : 0,
      delayMs: after ? 0 : (maybe(0.15, () => 60_000) ?? 0),
      session: maybe(0.5, () => this.#pick(['s', 't', 'u'])),
      agent: maybe(0.2, () => this.#pick(['x', 'y'])),
      model: maybe(0.2, () => this.#pick(['p/one', 'p/two'])),
      key: maybe(0.1, () => `k${Math.floor(this.#random() * 8)}`),
      after: after && [...new Set(after)].map(({ id, task }) => ({ id, pool: task.pool })),
      // A task that must run on mac-2 in a pool or with an agent that it does not serve would rightly wait forever.
      ...(target < 0.08 && { node: this.#pick(['mac-1', 'mac-3']) }),
      ...(target >= 0.08 && target < 0.16 && { node: this.#pick(PROFILES).id, nodeFallback: true }),
      ...(target >= 0.16 && target < 0.24 && { require: this.#pick([{ gpu: 'yes' }, { big: 'yes' }]) }),
    });
    const [enqueued] = await this.#producer.enqueue([task]);
    if (!enqueued) return this.#broken('nothing was queued');
    this.#note(enqueued.id, enqueued.duplicate ? 'is there already' : describeSpec(task));
    if (enqueued.duplicate) return;
    const fresh = { removed: false, starts: 0, excused: 0, answers: new Set<string>(), checked: false };
    this.#known.set(enqueued.id, { id: enqueued.id, task, ...fresh });
  }

  async claim(): Promise<boolean> {
    const asked = this.#freeQueue();
    if (!asked) return false;
    const claim = await asked.queue.claim(this.#offer(asked.node, asked.pool));
    if (claim) await this.#begun(asked.node, claim);
    return claim !== undefined;
  }

  async claimHeld(): Promise<boolean> {
    const asked = this.#freeQueue();
    const reasons = asked && [...(asked.node.heldFor.get(asked.pool) ?? [])];
    if (!asked || !reasons || reasons.length === 0) return false;
    const reason = this.#pick(reasons);
    const claim = await asked.queue.claimHeld(reason);
    if (claim) await this.#begun(asked.node, claim);
    else asked.node.heldFor.get(asked.pool)?.delete(reason);
    return claim !== undefined;
  }

  async succeed(): Promise<boolean> {
    return this.#reportOne((run) => this.#success(run));
  }

  async fail(): Promise<boolean> {
    const kind = this.#pick(['crash', 'invalid', 'provider', 'rate_limit', 'timeout'] as const);
    return this.#reportOne(() => ({ ok: false, error: taskError(kind, `simulated ${kind}`) }));
  }

  async #reportOne(outcome: (run: Run) => Outcome): Promise<boolean> {
    const run = this.#pickOr(this.#runs);
    if (!run) return false;
    await this.#report(run, outcome(run));
    return true;
  }

  /** A report that is sent again, or by an ended incarnation of the node, changes nothing. */
  async reportAgain(): Promise<boolean> {
    const run = this.#pickOr(this.#reported);
    const before = run && (await this.#reader.get(run.claim.taskId));
    if (!run || !before) return false;
    const error = taskError('crash', 'a late report');
    await run.queue.report(run.claim, { ok: false, error }).catch((reason: unknown) => this.#onlyRefusals(reason));
    const after = await this.#reader.get(run.claim.taskId);
    if (before.state !== after?.state || before.history.length !== after.history.length) {
      this.#broken(`a report that was sent again changed ${this.#describe(before)} to ${this.#describe(after)}`);
    }
    return true;
  }

  async release(): Promise<boolean> {
    const run = this.#pickOr(this.#runs.filter(({ zombie }) => !zombie));
    if (!run) return false;
    this.#note(run.claim.taskId, `released by ${run.node.profile.id}`);
    await this.#ended(run, () => run.queue.release(run.claim, 'drain'));
    return true;
  }

  async reassign(): Promise<boolean> {
    const run = this.#pickOr(this.#runs.filter(({ zombie, claim }) => !zombie && claim.refusedOn === null));
    const known = run && this.#known.get(run.claim.taskId);
    if (!run || !known) return false;
    this.#note(known.id, `reassigned by ${run.node.profile.id}`);
    let reassigned = false;
    await this.#ended(run, async () => {
      reassigned = await run.queue.reassign(run.claim, 'simulated auth');
    });
    if (reassigned) known.excused++;
    // It has had its free run and all its attempts, so it ends here, as the daemon would have it.
    else await this.#report(run, { ok: false, error: taskError('auth', 'simulated auth') });
    return true;
  }

  async log(): Promise<boolean> {
    const run = this.#pickOr(this.#runs);
    if (!run) return false;
    await run.queue.log(run.claim, ['a line'], undefined).catch((reason: unknown) => this.#onlyRefusals(reason));
    return true;
  }

  async renew(): Promise<boolean> {
    const run = this.#pickOr(this.#runs.filter(({ zombie }) => !zombie));
    if (!run) return false;
    const own = this.#runs.filter(
      ({ node, claim, zombie }) => node === run.node && claim.pool === run.claim.pool && !zombie,
    );
    const lost = await run.queue
      .renew(own.map(({ claim }) => claim))
      .catch((reason: unknown) => this.#onlyRefusals(reason));
    for (const claim of lost ?? []) this.#drop(claim);
    return true;
  }

  async cancel(): Promise<boolean> {
    const task = await this.#anyTask();
    if (!task) return false;
    const answer = await this.#control.cancel(task, 'by the test');
    this.#note(task.id, `cancelled: ${typeof answer === 'string' ? answer : 'runs'}`);
    const run = this.#runs.find(({ claim, zombie }) => claim.taskId === task.id && !zombie);
    // Its node is told, and stops it.
    if (typeof answer !== 'string' && run && this.#random() < 0.7) {
      await this.#report(run, { ok: false, error: taskError('cancelled', 'by the test') });
    }
    return true;
  }

  async retry(): Promise<boolean> {
    const ended = await this.#reader.list({ state: this.#pick(['failed', 'cancelled']), limit: 25 });
    const task = this.#pickOr(ended);
    const known = task && this.#known.get(task.id);
    if (!task || !known) return false;
    const answer = await this.#control.retry(task);
    if (answer !== 'waiting') return false;
    this.#note(task.id, 'queued again');
    known.starts = 0;
    known.excused = 0;
    return true;
  }

  async remove(): Promise<boolean> {
    const task = await this.#anyTask();
    const known = task && this.#known.get(task.id);
    if (!task || !known) return false;
    const answer = await this.#control.remove(task);
    if (answer !== 'removed') return false;
    this.#note(task.id, 'removed');
    known.removed = true;
    return true;
  }

  async evict(): Promise<boolean> {
    const node = this.#pick(this.#nodes);
    if (!node.up) return false;
    this.#trace.push(`  ${node.profile.id} evicted`);
    await this.#registry.evict(node.profile.id, LONG_MS);
    this.#stopNode(node);
    return true;
  }

  /** A daemon that was killed, or ended, is started again; it may take up what its earlier incarnation ran. */
  async restart(): Promise<void> {
    const node = this.#pick(this.#nodes);
    this.#trace.push(`  ${node.profile.id} starts`);
    const before = this.#runs.filter((run) => run.node === node && !run.zombie);
    this.#stopNode(node);
    const adopts = this.#random() < 0.5;
    await this.#startNode(node, adopts ? LONG_MS : 0);
    if (!adopts) return;
    for (const queue of node.queues.values()) {
      const ids = before.map(({ claim }) => claim.taskId).filter(() => this.#random() < 0.7);
      for (const claim of await queue.adopt(ids)) {
        this.#note(claim.taskId, `adopted by ${node.profile.id}`);
        this.#holds(node, claim);
      }
    }
    await this.#registry.endReservation({ nodeId: node.profile.id, incarnation: node.incarnation - 1 });
  }

  async drainNode(): Promise<void> {
    const { id } = this.#pick(PROFILES);
    await this.#registry.setDesiredState(id, this.#random() < 0.5 ? 'drain' : 'resume');
  }

  /** The visibility timeout of a claim passes before it's renewed. */
  async lapse(): Promise<boolean> {
    const run = this.#pickOr(this.#runs);
    if (!run) return false;
    this.#note(run.claim.taskId, 'its claim lapses');
    await this.#redis.pexpire(`${this.#keys.task(run.claim.pool, run.claim.taskId)}:lock`, 0);
    return true;
  }

  async requeue(): Promise<boolean> {
    const requeued = await this.#requeue();
    return requeued > 0;
  }

  async #requeue(): Promise<number> {
    const owners = await this.#registry.pendingDeaths();
    const requeued = await requeueOrphanedClaims(this.#redis, this.#keys, {
      visibilityTimeoutMs: LONG_MS,
      maxHandovers: MAX_HANDOVERS,
    });
    for (const { taskId, reason } of requeued) this.#note(taskId, `requeued: ${reason}`);
    await this.#registry.clearDeaths(owners);
    return requeued.length;
  }

  async releaseHeld(): Promise<boolean> {
    const impatient = this.#random() < 0.1;
    return (await this.#releaseHeld(impatient ? { stickyTimeoutMs: 0 } : undefined)) > 0;
  }

  async #releaseHeld(options?: { stickyTimeoutMs: number }): Promise<number> {
    const { released, failed, heldFor } = await releaseHeld(this.#redis, this.#keys, options);
    for (const held of heldFor) this.#tell(held);
    return released + failed;
  }

  /** The answer to a claim, a report or a release gets lost, and the daemon does what it does then. */
  async loseReply(): Promise<boolean> {
    const node = this.#pick(this.#nodes.filter(({ up }) => up));
    if (!node) return false;
    node.line.loseNext();
    const [, operation] = this.#pickWeighted(LOSABLE);
    const done = await operation.call(this);
    if (!node.line.mend()) return done !== false;
    this.#trace.push(`  ${node.profile.id} lost an answer`);
    if (this.#random() < 0.8) await this.#recover(node);
    return true;
  }

  async #recover(node: NodeInMesh): Promise<void> {
    for (const queue of node.queues.values()) {
      const claims = await queue.recover().catch((reason: unknown) => this.#onlyRefusals(reason));
      for (const claim of claims ?? []) await this.#begun(node, claim, 'recovered');
    }
  }

  async pause(): Promise<void> {
    const pool = this.#pick(POOLS);
    const paused = !this.#paused.has(pool);
    await setPoolPaused(this.#redis, this.#keys, pool, paused);
    this.#trace.push(`  ${pool} ${paused ? 'pauses' : 'resumes'}`);
    if (paused) this.#paused.add(pool);
    else this.#paused.delete(pool);
  }

  /** Delays, back-off and the wait for a probe are over. */
  async passTime(): Promise<void> {
    await this.#passTime();
  }

  async #passTime(): Promise<void> {
    for (const pool of POOLS) {
      const delayed = this.#keys.pool(pool, 'delayed');
      for (const id of await this.#redis.zrangebyscore(delayed, 0, HELD_SCORE - 1)) {
        await this.#redis.zadd(delayed, 'XX', 1, id);
      }
      await this.#redis.zadd(this.#keys.pool(pool, 'marker'), 0, '0');
    }
    for (const [name, text] of Object.entries(await this.#redis.hgetall(this.#keys.circuits))) {
      const circuit = JSON.parse(text);
      if (!circuit.dueAt) continue;
      const due = { ...circuit, dueAt: 1, probeUntil: 1, rests: {} };
      await this.#redis.hset(this.#keys.circuits, name, JSON.stringify(due));
    }
  }

  async beat(): Promise<boolean> {
    const node = this.#pick(this.#nodes);
    if (!node.up) return false;
    await this.#beat(node);
    return true;
  }

  // What the daemon does around the ports.

  async #startNode(node: NodeInMesh, adoptionWindowMs = 0): Promise<void> {
    const { id, pools, labels, allow } = node.profile;
    const { incarnation } = await this.#registry.register(id, pools, LONG_MS, adoptionWindowMs);
    node.incarnation = incarnation;
    node.up = true;
    node.line = lossyRedis(this.#redis);
    node.queues = new Map();
    const { redis } = node.line;
    const circuits = new Circuits(redis, this.#keys, {
      failures: 3,
      minProbeInterval: LONG_MS,
      maxProbeInterval: LONG_MS,
    });
    for (const pool of pools) {
      const queue = new PoolConsumer({
        pool,
        owner: { nodeId: id, incarnation },
        labels,
        allow,
        keys: this.#keys,
        strategy: () => 'pull',
        redis,
        blocking: this.#redis,
        visibilityTimeoutMs: LONG_MS,
        retention: { completedMs: LONG_MS, failedMs: LONG_MS, count: 100_000, usageMs: LONG_MS },
        sessionExchanges: 0,
        backoff: { delay: 60_000, max: 60_000, jitter: 0 },
        schedules: this.#schedules,
        circuits,
        signer: new TaskSigner([], this.#keys.bullPrefix),
        clock: systemClock,
        clockOffset: () => 0,
      });
      node.queues.set(pool, queue);
      this.#consumers.push(queue);
    }
    await this.#beat(node);
  }

  #stopNode(node: NodeInMesh): void {
    node.up = false;
    for (const run of this.#runs) if (run.node === node) run.zombie = true;
    for (const reasons of node.heldFor.values()) reasons.clear();
  }

  async #beat(node: NodeInMesh): Promise<void> {
    const { id, pools } = node.profile;
    const record = aNodeRecord({
      incarnation: node.incarnation,
      labels: node.profile.labels,
      ...(node.profile.allow && { allow: node.profile.allow }),
      leaseMs: LONG_MS,
      pools: Object.fromEntries(pools.map((pool) => [pool, { concurrency: SLOTS, running: 0 }])),
    });
    const { desired } = await this.#registry.beat(
      { nodeId: id, incarnation: node.incarnation },
      record,
      sweepHow(id, { pools, leaseMs: LONG_MS, stallMs: LONG_MS, idleStallMs: LONG_MS, graceMs: LONG_MS }),
    );
    if (desired === 'drain') await this.#registry.setDesiredState(id, 'resume');
  }

  /** A claim has been answered: what may not happen is checked before the run begins. */
  async #begun(node: NodeInMesh, claim: Claim, how = 'claimed'): Promise<Run | undefined> {
    const { taskId, token, spec } = claim;
    this.#note(taskId, `${how} by ${node.profile.id}, attempt ${claim.attempt}`);
    const known = this.#known.get(taskId);
    if (!known || known.removed) return this.#broken(`${node.profile.id} has claimed ${taskId}, which is not there`);
    const { id, pools, labels, allow } = node.profile;
    if (!pools.includes(claim.pool))
      this.#broken(`${id} has claimed ${taskId} of pool ${claim.pool}, which it does not serve`);
    if (spec.node && !spec.nodeFallback && spec.node !== id)
      this.#broken(`${taskId} is for ${spec.node}, and runs on ${id}`);
    const needed = Object.entries(spec.require ?? {});
    if (!mayRun({ kind: 'require', labels: needed }, { id, labels }))
      this.#broken(`${taskId} needs ${needed.join(' ')}, and runs on ${id}`);
    const allowance = { agent: spec.agent ?? 'main', model: undefined };
    if (!mayRun({ kind: 'allow', allow: allowance }, { id, labels, allow }))
      this.#broken(`${taskId} is not allowed on ${id}`);
    for (const other of known.task.after ?? []) {
      const before = await this.#reader.get(other.id);
      if (before && before.state !== 'completed')
        this.#broken(`${this.#describe(await this.#reader.get(taskId))} has begun before ${this.#describe(before)}`);
    }
    known.starts++;
    const limit =
      known.task.attempts + known.excused + (await this.#reader.get(taskId).then((task) => task?.handovers ?? 0));
    if (known.starts > limit) this.#broken(`${taskId} has begun ${known.starts} times, ${limit} are allowed`);
    if (spec.session !== undefined) await this.#checkSession(claim);
    return this.#holds(node, claim, token);
  }

  #holds(node: NodeInMesh, claim: Claim, token = claim.token): Run {
    // Each pool of a node counts its claims.
    const name = `${claim.pool} ${token}`;
    const holder = this.#tokens.get(name);
    if (holder !== undefined && holder !== claim.taskId)
      this.#broken(`token ${token} is that of ${holder} and of ${claim.taskId}`);
    this.#tokens.set(name, claim.taskId);
    const twice = this.#runs.find(
      (run) => !run.zombie && run.claim.taskId === claim.taskId && run.claim.token === token,
    );
    if (twice) this.#broken(`${claim.taskId} was claimed twice with ${token}`);
    const queue = node.queues.get(claim.pool);
    if (!queue) return this.#broken(`${node.profile.id} has no queue of pool ${claim.pool}`);
    const run = { node, queue, claim, zombie: false };
    this.#runs.push(run);
    return run;
  }

  async #checkSession({ taskId, spec }: Claim): Promise<void> {
    const active = await this.#reader.list({ state: 'active', limit: 1_000 });
    // One that its node must not run, and lets go of again, is no run; the answer to its claim may be lost.
    const mayBegin = ({ node, target, agent, model }: Task) => {
      const holder = PROFILES.find(({ id }) => id === node);
      const allow = { agent: agent ?? 'main', model: model ?? undefined };
      return (
        !holder ||
        (mayRun({ kind: 'allow', allow }, holder) && (target === null || isEligible(parseHoldReason(target), holder)))
      );
    };
    const others = active.filter(
      (task) =>
        task.session === spec.session && task.agent === (spec.agent ?? null) && task.id !== taskId && mayBegin(task),
    );
    if (others[0]) this.#broken(`${taskId} runs in session ${spec.session} beside ${this.#describe(others[0])}`);
  }

  #success({ claim }: Run): Outcome {
    const text = `${claim.taskId} by ${claim.token}`;
    this.#known.get(claim.taskId)?.answers.add(text);
    return { ok: true, result: { text, usage: null, model: null, runId: null, durationMs: 5 } };
  }

  async #report(run: Run, outcome: Outcome): Promise<void> {
    const { claim, node } = run;
    const offer = !run.zombie && outcome.ok && this.#random() < 0.5 ? this.#offer(node, claim.pool) : undefined;
    this.#note(
      claim.taskId,
      `${run.zombie ? 'void report' : 'report'} by ${node.profile.id}: ${outcome.ok ? 'ok' : outcome.error.kind}`,
    );
    const before = run.zombie ? await this.#reader.get(claim.taskId) : undefined;
    await this.#ended(run, async () => {
      const { settled, next } = await run.queue.report(claim, outcome, offer);
      const known = this.#known.get(claim.taskId);
      if (known && settled === 'held') known.excused++;
      this.#trace.push(`    ${settled}`);
      if (run.zombie && before?.state !== 'completed')
        this.#broken(`an ended incarnation of ${node.profile.id} ended ${this.#describe(before)}`);
      if (next) await this.#begun(node, next);
    });
    const session = sessionReason(claim.spec);
    if (session !== undefined) node.heldFor.get(claim.pool)?.add(formatHoldReason(session));
  }

  /** The run is over whatever Redis says; if the answer was lost, it is sent again. */
  async #ended(run: Run, request: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; tries < 3; tries++) {
      try {
        await request();
        break;
      } catch (reason) {
        if (reason instanceof ReplyLost) continue;
        this.#onlyRefusals(reason);
        break;
      }
    }
    this.#runs = this.#runs.filter((other) => other !== run);
    this.#reported.push(run);
    if (this.#reported.length > 50) this.#reported.shift();
  }

  #drop(claim: Claim): void {
    this.#runs = this.#runs.filter((run) => run.claim !== claim);
  }

  #onlyRefusals(reason: unknown): undefined {
    if (hasCode(reason, 'fenced') || hasCode(reason, 'claim-lost') || reason instanceof ReplyLost) return undefined;
    throw reason;
  }

  /** What is lost beyond recovery ends with the visibility timeout. */
  async #lapseStrangers(): Promise<void> {
    const own = new Set(this.#runs.filter(({ zombie }) => !zombie).map(({ claim }) => claim.taskId));
    for (const task of await this.#reader.list({ state: 'active', limit: 10_000 })) {
      if (!own.has(task.id)) await this.#redis.del(`${this.#keys.task(task.pool, task.id)}:lock`);
    }
  }

  /** Which nodes get to hear of held tasks: as `Running.claimHeld` has it. */
  #tell({ pool, why, node: home }: HeldFor): void {
    for (const { profile, heldFor, up } of this.#nodes) {
      if (!up || !(home === profile.id || isEligible(parseHoldReason(why), profile))) continue;
      heldFor.get(pool)?.add(why);
    }
  }

  // Checks and their helpers.

  /** Each task is there once, and as it must be. */
  async #checkTasks(): Promise<void> {
    const tasks = await this.#reader.list({ limit: 100_000 });
    const byId = Map.groupBy(tasks, ({ id }) => id);
    const counts = [...(await this.#reader.counts(POOLS)).values()];
    const places = counts
      .flatMap(({ paused: _, pause: _pause, ...states }) => Object.values(states))
      .reduce((a, b) => a + b, 0);
    if (places !== tasks.length) this.#broken(`${tasks.length} tasks stand in ${places} places`);
    for (const known of this.#known.values()) {
      const [task, ...more] = byId.get(known.id) ?? [];
      if (more.length > 0) this.#broken(`${known.id} is ${[task, ...more].map((one) => one?.state).join(' and ')}`);
      if (known.removed && task) this.#broken(`${known.id} was removed, and is ${task.state}`);
      if (known.removed) continue;
      if (!task) return this.#broken(`${known.id} is gone`);
      if (task.attempts.made > task.attempts.max) this.#broken(`too many attempts: ${this.#describe(task)}`);
      if (task.state === 'completed' && !known.checked) await this.#checkAnswer(known);
    }
    const active = tasks.filter(({ state, session }) => state === 'active' && session !== null);
    for (const [session, busy] of Map.groupBy(active, (task) => `${task.agent}|${task.session}`)) {
      const runs = busy.filter(({ id }) => this.#runs.some(({ claim, zombie }) => claim.taskId === id && !zombie));
      if (runs.length > 1) this.#broken(`session ${session} runs ${runs.map(({ id }) => id).join(' and ')}`);
    }
  }

  async #checkAnswer(known: Known): Promise<void> {
    const answer = (await this.#reader.get(known.id))?.result?.text ?? '';
    if (!known.answers.has(answer)) this.#broken(`${known.id} has an answer that was never given for it: ${answer}`);
    known.checked = true;
  }

  async #openTasks(): Promise<Task[]> {
    return (await this.#reader.list({ limit: 100_000 })).filter(({ state }) => !isEnded(state));
  }

  async #anyTask(): Promise<Task | undefined> {
    const recent = [...this.#known.values()].filter(({ removed }) => !removed).slice(-25);
    const known = this.#pickOr(recent);
    return known && this.#reader.get(known.id);
  }

  #freeQueue(): { node: NodeInMesh; pool: string; queue: PoolConsumer } | undefined {
    const free = this.#nodes.flatMap((node) =>
      [...(node.up ? node.queues : [])].flatMap(([pool, queue]) =>
        this.#running(node, pool) < SLOTS ? [{ node, pool, queue }] : [],
      ),
    );
    return this.#pickOr(free);
  }

  #running(node: NodeInMesh, pool: string): number {
    return this.#runs.filter((run) => run.node === node && run.claim.pool === pool && !run.zombie).length;
  }

  #offer(node: NodeInMesh, pool: string) {
    const running = this.#running(node, pool);
    return { free: Math.max(1, SLOTS - running), running, slots: SLOTS * 2, pressure: 1 };
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }

  #pickOr<T>(list: readonly T[]): T | undefined {
    return list.length > 0 ? this.#pick(list) : undefined;
  }

  #pickWeighted<T extends readonly [string, unknown, number]>(list: readonly T[]): T {
    let left = this.#random() * list.reduce((sum, [, , weight]) => sum + weight, 0);
    for (const entry of list) {
      left -= entry[2];
      if (left < 0) return entry;
    }
    return list[0] as T;
  }

  #note(taskId: string, what: string): void {
    this.#trace.push(`  ${taskId.slice(-6)} ${what}`);
  }

  #describe(task: Task | undefined): string {
    if (!task) return 'a task that is gone';
    const { id, pool, state, heldBy, node, attempts, session, target } = task;
    const way = this.#trace.filter((line) => line.startsWith(`  ${id.slice(-6)} `)).map((line) => line.slice(9));
    return `${id} ${JSON.stringify({ pool, state, heldBy, node, attempts, session, target })}: ${way.join('; ')}`;
  }

  #broken(what: string): never {
    throw new BrokenInvariant(
      `${what}\n\nthe last of ${this.#trace.length} lines:\n${this.#trace.slice(-60).join('\n')}`,
    );
  }

  /** Whatever a port throws that it does not promise is a fault, too. */
  async #guarded(operation: () => Promise<unknown>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      if (error instanceof BrokenInvariant || error instanceof ReplyLost) {
        if (error instanceof ReplyLost) return;
        throw error;
      }
      if (hasCode(error, 'fenced') || hasCode(error, 'claim-lost')) return;
      this.#broken(`a port has thrown ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}

type Operation = readonly [name: string, operation: (this: World) => Promise<unknown>, weight: number];

/** What the daemon does whose answer can get lost. */
const LOSABLE: readonly Operation[] = [
  ['claim', World.prototype.claim, 3],
  ['claim held', World.prototype.claimHeld, 2],
  ['succeed', World.prototype.succeed, 3],
  ['fail', World.prototype.fail, 1],
  ['release', World.prototype.release, 1],
];

const OPERATIONS: readonly Operation[] = [
  ['enqueue', World.prototype.enqueue, 14],
  ['claim', World.prototype.claim, 24],
  ['claim held', World.prototype.claimHeld, 10],
  ['succeed', World.prototype.succeed, 12],
  ['fail', World.prototype.fail, 4],
  ['report again', World.prototype.reportAgain, 2],
  ['release', World.prototype.release, 2],
  ['reassign', World.prototype.reassign, 1],
  ['log', World.prototype.log, 1],
  ['renew', World.prototype.renew, 2],
  ['cancel', World.prototype.cancel, 1],
  ['retry', World.prototype.retry, 1],
  ['remove', World.prototype.remove, 1],
  ['evict', World.prototype.evict, 1],
  ['restart', World.prototype.restart, 2],
  ['drain or resume', World.prototype.drainNode, 0.5],
  ['lapse', World.prototype.lapse, 1],
  ['requeue', World.prototype.requeue, 3],
  ['release held', World.prototype.releaseHeld, 6],
  ['lose a reply', World.prototype.loseReply, 3],
  ['pause', World.prototype.pause, 0.5],
  ['time passes', World.prototype.passTime, 2],
  ['beat', World.prototype.beat, 1],
];

function describeSpec({ message: _m, attempts, tags: _t, after, ...rest }: NewTask): string {
  const told = Object.entries(rest).filter(([, value]) => value !== undefined && value !== 0);
  const others = after?.map(({ id }) => id.slice(-6));
  return `enqueued ${JSON.stringify({ ...Object.fromEntries(told), attempts, after: others })}`;
}
