import type { Redis } from 'ioredis';
import type { Claim } from '../../src/domain/claim.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { mayRun } from '../../src/domain/target.ts';
import { isEnded, type NewTask, type Outcome, taskError } from '../../src/domain/task.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { Schedules } from '../../src/queue/bullmq/schedules.ts';
import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { Circuits } from '../../src/queue/circuits.ts';
import { type HeldFor, releaseHeld } from '../../src/queue/held-tasks.ts';
import { requeueVoidClaims } from '../../src/queue/requeue.ts';
import { TaskControl } from '../../src/queue/task-control.ts';
import { TaskReader } from '../../src/queue/task-reader.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { NodeRegistry } from '../../src/registry/node-registry.ts';
import { ReplyLost } from '../support/interleavings/lossy-redis.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { newTask } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { BrokenPromise, checkPicture, checkStart, type Ledger } from './invariants.ts';
import { normalForm, type Picture, takePicture } from './picture.ts';
import { type Fault, setClock, type VirtualRedis, virtualRedis } from './virtual-redis.ts';

/** Where the virtual clock begins, ms. */
const BEGINNING = 1_800_000_000_000;
/** Longer than a delay, and the wait for a probe: who lets time pass does not kill all nodes each time. */
const LEASE_MS = 600_000;
/** A day, ms: nothing ends by itself in this time. */
const LONG_MS = 86_400_000;
const STICKY_MS = 1_800_000;
const MAX_HANDOVERS = 4;

export interface NodeSpec {
  readonly id: string;
  readonly pools: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** What there is to explore: nodes, tasks that somebody queues at some time, and what may happen to them. */
export interface WorldSpec {
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
  /** `after` names tasks by their number, from 1. */
  readonly tasks: readonly (Partial<Omit<NewTask, 'after'>> & { after?: readonly number[] })[];
  /** Kinds of failures beside `crash`. */
  readonly failures?: readonly ('provider' | 'rate_limit' | 'invalid' | 'auth')[];
  /** Whether runs are handed to another node since the login was refused. */
  readonly passesOn?: boolean;
}

/** A run under way, as the daemon knows it. */
interface Run {
  readonly claim: Claim;
  readonly queue: PoolConsumer;
}

interface Life {
  readonly node: NodeSpec;
  readonly incarnation: number;
  readonly line: VirtualRedis;
  readonly queues: ReadonlyMap<string, PoolConsumer>;
  /** Killed, or ended by itself since it was fenced. */
  over: boolean;
  runs: Run[];
}

/** One way through a world, on a Redis of its own. Every step is a line of text, so that a way can be read, and gone again. */
export class World {
  readonly spec: WorldSpec;
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #line: VirtualRedis;
  readonly #registry: NodeRegistry;
  readonly #producer: TaskProducer;
  readonly #reader: TaskReader;
  readonly #control: TaskControl;
  readonly #schedules: Schedules;
  readonly #ledger: Ledger = new Map();
  readonly #lives: Life[] = [];
  readonly #paused = new Set<string>();
  readonly #tokens = new Map<string, string>();
  #now = BEGINNING;
  picture: Picture = { tasks: new Map(), values: new Map(), streams: new Map() };

  private constructor(spec: WorldSpec, redis: Redis) {
    this.spec = spec;
    this.#redis = redis;
    this.#keys = new MeshKeys({ prefix: 'c', mesh: 'w' });
    this.#line = virtualRedis(redis);
    this.#registry = new NodeRegistry(this.#line.redis, this.#keys);
    this.#producer = new TaskProducer(this.#line.redis, this.#keys);
    this.#reader = new TaskReader(this.#line.redis, this.#keys);
    this.#control = new TaskControl(this.#line.redis, this.#keys);
    this.#schedules = new Schedules(this.#line.redis, this.#keys);
  }

  /** A world in which all nodes are up and nothing has been queued. Empties the database. */
  static async open(spec: WorldSpec, redis: Redis): Promise<World> {
    const world = new World(spec, redis);
    await redis.flushdb();
    await setClock(redis, BEGINNING);
    for (const node of spec.nodes) await world.#start(node);
    world.picture = await takePicture(redis, world.#keys, world.#pools);
    return world;
  }

  async close(): Promise<void> {
    for (const { queues } of this.#lives) for (const queue of queues.values()) await queue.close();
    await this.#schedules.close();
  }

  get #pools(): string[] {
    return [...new Set(this.spec.nodes.flatMap(({ pools }) => pools))];
  }

  get #current(): Life[] {
    return this.#lives.filter(({ over }) => !over);
  }

  /** Two worlds with the same state go on alike. */
  get state(): string {
    const incarnations = this.picture.values.get(this.#keys.incarnations) ?? [];
    const current: string[] = [];
    for (let i = 0; i + 1 < incarnations.length; i += 2) current.push(`${incarnations[i]}~${incarnations[i + 1]}`);
    const mind = [
      `current ${current.join(' ')}`,
      ...this.#lives.flatMap(({ node, incarnation, over, runs }) => {
        if (over && runs.length === 0) return [];
        const held = runs.map(({ claim }) => `${claim.taskId} ${claim.token}`).sort();
        return `${node.id}~${incarnation} ${over ? 'over' : 'up'}: ${held.join(', ')}`;
      }),
      `queued ${[...this.#ledger.keys()].join(' ')}`,
      `paused ${[...this.#paused].sort().join(' ')}`,
    ];
    return normalForm(this.picture, this.#now, mind.join('\n'));
  }

  #incarnationOf(nodeId: string): number {
    const all = this.picture.values.get(this.#keys.incarnations) ?? [];
    return Number(all[all.indexOf(nodeId) + 1]);
  }

  /** Whether a step can do more than nothing; the others are worth a try now and then. */
  isOfUse(step: string): boolean {
    const [who = '', what = '', pool = ''] = step.split(' ');
    const size = (key: string) => (this.picture.values.get(key) ?? []).length;
    const held = size(this.#keys.held) > 0;
    const own = [...this.picture.tasks.values()];
    if (what === 'claim')
      return ['wait', 'prioritized', 'delayed'].some((place) => size(this.#keys.pool(pool, place)) > 0);
    if (what === 'takes' || who === 'release') return held;
    if (what === 'puts')
      return size(this.#keys.deaths) > 0 || own.some(({ places, lock }) => places[0] === 'active' && !lock);
    if (what === 'recovers') {
      const known = new Set(this.#lives.flatMap(({ runs }) => runs.map(({ claim }) => claim.token)));
      return own.some(({ lock }) => lock?.startsWith(`${who}~`) && !known.has(lock));
    }
    return what !== 'beats' && what !== 'renews';
  }

  /** All that may happen next. */
  steps(): string[] {
    const steps: string[] = [];
    const next = this.#ledger.size;
    const number = (id: string) => this.#numberOf(id);
    if (next < this.spec.tasks.length) steps.push(`enqueue ${next + 1}`);
    for (const life of this.#current) {
      const { id } = life.node;
      for (const pool of life.node.pools) {
        if (life.runs.filter(({ claim }) => claim.pool === pool).length < 2) {
          for (const fault of ['', ' lost', ' twice']) steps.push(`${id} claim ${pool}${fault}`);
          steps.push(`${id} takes held ${pool}`);
        }
      }
      steps.push(`${id} beats`, `${id} puts back`, `${id} recovers`, `${id} dies`);
      if (life.runs.length > 0) steps.push(`${id} renews`);
    }
    for (const node of this.spec.nodes)
      if (!this.#current.some((life) => life.node === node)) steps.push(`${node.id} starts`, `${node.id} starts again`);
    for (const life of this.#lives) {
      for (const { claim } of life.runs) {
        const who = `${life.node.id}~${life.incarnation}`;
        const what = number(claim.taskId);
        // What a life that is over had sent may arrive late.
        for (const fault of life.over ? [''] : ['', ' lost', ' twice'])
          steps.push(`${who} succeeds ${what}${fault}`, `${who} crash ${what}${fault}`);
        if (life.over) continue;
        for (const kind of this.spec.failures ?? []) steps.push(`${who} ${kind} ${what}`);
        steps.push(`${who} hands back ${what}`, `${who} hands back ${what} lost`);
        if (this.spec.passesOn) steps.push(`${who} passes on ${what}`);
      }
    }
    for (const [id, { removed }] of this.#ledger) {
      if (removed) continue;
      for (const what of ['cancel', 'retry', 'remove', 'lapse']) steps.push(`${what} ${number(id)}`);
    }
    steps.push('release held', 'time');
    for (const pool of this.#pools) steps.push(`${this.#paused.has(pool) ? 'resume' : 'pause'} ${pool}`);
    return steps;
  }

  /** Does one step, if it can be done now, and checks what must hold. @throws BrokenPromise. */
  async take(step: string): Promise<boolean> {
    const done = await this.#do(step);
    if (!done) return false;
    this.picture = await takePicture(this.#redis, this.#keys, this.#pools);
    checkPicture(this.picture, this.#keys, this.#ledger, this.#pools);
    return true;
  }

  async #do(step: string): Promise<boolean> {
    const [first = '', second = '', third = '', fourth = ''] = step.split(' ');
    const fault = /( lost| twice)$/.exec(step)?.[1]?.trim() as Fault | undefined;
    if (first === 'enqueue') return this.#enqueue(Number(second) - 1);
    if (first === 'time') return this.#passTime();
    if (first === 'release') return this.#release().then(() => true);
    if (first === 'pause' || first === 'resume') return this.#pause(second, first === 'pause');
    if (['cancel', 'retry', 'remove', 'lapse'].includes(first)) return this.#steer(first, this.#idOf(Number(second)));
    const spec = this.spec.nodes.find(({ id }) => id === first.split('~')[0]);
    if (!spec) throw new Error(`unknown step: ${step}`);
    if (second === 'starts') {
      if (this.#current.some(({ node }) => node === spec)) return false;
      await this.#start(spec, third === 'again');
      return true;
    }
    if (first.includes('~')) {
      const life = this.#lives.find(({ node, incarnation }) => `${node.id}~${incarnation}` === first);
      const number = Number([second, third, fourth].find((word) => /^\d+$/.test(word)));
      const run = life?.runs.find(({ claim }) => claim.taskId === this.#idOf(number));
      if (!life || !run) return false;
      return this.#endRun(life, run, second, fault);
    }
    const life = this.#current.find(({ node }) => node === spec);
    if (!life) return false;
    return this.#act(life, second, third, fault);
  }

  async #act(life: Life, what: string, pool: string, fault: Fault | undefined): Promise<boolean> {
    const queue = life.queues.get(pool);
    switch (what) {
      case 'claim': {
        const claim = await this.#with(life, fault, () => queue?.claim());
        if (claim) await this.#begin(life, claim);
        return true;
      }
      case 'takes':
        return this.#takeHeld(life);
      case 'beats':
        await this.#guarded(life, () => this.#beat(life));
        return true;
      case 'puts':
        await this.#putBack();
        return true;
      case 'recovers': {
        for (const own of life.queues.values()) {
          for (const claim of (await this.#guarded(life, () => own.recover())) ?? []) await this.#begin(life, claim);
        }
        return true;
      }
      case 'renews': {
        for (const [name, own] of life.queues) {
          const claims = life.runs.map(({ claim }) => claim).filter((claim) => claim.pool === name);
          const lost = (await this.#guarded(life, () => own.renew(claims))) ?? [];
          life.runs = life.runs.filter(({ claim }) => !lost.includes(claim));
        }
        return true;
      }
      case 'dies':
        life.over = true;
        return true;
      default:
        throw new Error(`unknown step: ${what}`);
    }
  }

  async #endRun(life: Life, run: Run, how: string, fault: Fault | undefined): Promise<boolean> {
    const { claim, queue } = run;
    const entry = this.#entry(claim.taskId);
    const before = this.picture.tasks.get(claim.taskId);
    const fenced = this.#incarnationOf(life.node.id) !== life.incarnation;
    const request = async (): Promise<unknown> => {
      if (how === 'hands') return queue.handBack(claim, 'drain');
      if (how === 'passes') {
        const passed = await queue.passOn(claim, 'refused');
        if (passed) entry.excused++;
        return passed;
      }
      const outcome = this.#outcome(claim, how);
      const { settled } = await queue.report(claim, outcome);
      if (settled === 'held') entry.excused++;
      return settled;
    };
    await this.#with(life, fault, request);
    // The daemon says it again.
    if (fault === 'lost') await this.#guarded(life, request);
    life.runs = life.runs.filter((other) => other !== run);
    if (fenced && before) {
      const after = await this.#reader.get(claim.taskId);
      const state = before.places.join();
      if (isEnded(after?.state ?? 'waiting') && state !== after?.state)
        throw new BrokenPromise(`a fenced life has ended task ${this.#numberOf(claim.taskId)}, which was ${state}`);
    }
    return true;
  }

  #outcome({ taskId, token }: Claim, how: string): Outcome {
    if (how !== 'succeeds') return { ok: false, error: taskError(how as 'crash', `simulated ${how}`) };
    const text = `${taskId} by ${token}`;
    this.#entry(taskId).answers.add(text);
    const usage = { input: 1, output: 1, total: 2 };
    return { ok: true, result: { text, usage, model: null, runId: null, durationMs: 5 } };
  }

  /** What the daemon does where Redis tells it that it is fenced, or that a claim is gone, or the answer is lost. */
  async #guarded<T>(life: Life, request: () => Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await request();
    } catch (error) {
      if (hasCode(error, 'fenced')) {
        life.over = true;
        return undefined;
      }
      if (hasCode(error, 'claim-lost') || error instanceof ReplyLost) return undefined;
      throw error;
    }
  }

  /** What the connection does to the next script of this request. */
  async #with<T>(life: Life, fault: Fault | undefined, request: () => Promise<T> | undefined): Promise<T | undefined> {
    life.line.fault = fault;
    try {
      return await this.#guarded(life, request);
    } finally {
      life.line.fault = undefined;
    }
  }

  async #enqueue(index: number): Promise<boolean> {
    if (this.#ledger.size !== index) return false;
    const { after, ...task } = this.spec.tasks[index] ?? {};
    const pool = task.pool ?? 'default';
    const spec = newTask({
      ...task,
      pool,
      id: this.#idOf(index + 1),
      ...(after && { after: after.map((n) => ({ id: this.#idOf(n), pool })) }),
    });
    const [enqueued] = await this.#producer.enqueue([spec]);
    const duplicate = enqueued?.duplicate === true;
    this.#ledger.set(this.#idOf(index + 1), {
      task: spec,
      duplicate,
      removed: duplicate,
      starts: 0,
      excused: 0,
      answers: new Set(),
    });
    return true;
  }

  async #begin(life: Life, claim: Claim): Promise<void> {
    if (life.runs.some((run) => run.claim.taskId === claim.taskId && run.claim.token === claim.token))
      throw new BrokenPromise(`task ${this.#numberOf(claim.taskId)} was claimed twice with ${claim.token}`);
    const name = `${claim.pool} ${claim.token}`;
    const holder = this.#tokens.get(name);
    if (holder !== undefined && holder !== claim.taskId)
      throw new BrokenPromise(`one token for tasks ${this.#numberOf(holder)} and ${this.#numberOf(claim.taskId)}`);
    this.#tokens.set(name, claim.taskId);
    const entry = this.#entry(claim.taskId);
    if (entry.removed) throw new BrokenPromise(`task ${this.#numberOf(claim.taskId)} was removed, and given out`);
    entry.starts++;
    this.picture = await takePicture(this.#redis, this.#keys, this.#pools);
    checkStart(claim, life.node, this.#ledger, this.picture);
    const queue = life.queues.get(claim.pool);
    if (!queue) throw new BrokenPromise(`${life.node.id} does not serve pool ${claim.pool}`);
    life.runs.push({ claim, queue });
  }

  async #takeHeld(life: Life): Promise<boolean> {
    const found = await this.#guarded(life, () => this.#release());
    for (const { pool, why, node } of found ?? []) {
      const queue = life.queues.get(pool);
      const { id, labels = {} } = life.node;
      if (!queue || !(node === id || mayRun(why, { id, labels }))) continue;
      if (life.runs.filter(({ claim }) => claim.pool === pool).length >= 2) continue;
      const claim = await this.#guarded(life, () => queue.claimHeld(why));
      if (claim) await this.#begin(life, claim);
    }
    return true;
  }

  async #release(): Promise<readonly HeldFor[]> {
    return (await releaseHeld(this.#line.redis, this.#keys, { stickyTimeoutMs: STICKY_MS })).heldFor;
  }

  async #putBack(): Promise<void> {
    const owners = await this.#registry.unsettledDeaths();
    await requeueVoidClaims(this.#line.redis, this.#keys, {
      visibilityTimeoutMs: LONG_MS,
      maxHandovers: MAX_HANDOVERS,
    });
    await this.#registry.settleDeaths(owners);
  }

  async #steer(what: string, id: string): Promise<boolean> {
    const entry = this.#ledger.get(id);
    if (!entry || entry.removed) return false;
    const task = await this.#reader.get(id);
    if (!task) throw new BrokenPromise(`task ${this.#numberOf(id)} is gone`);
    if (what === 'cancel') return (await this.#control.cancel(task, 'by the test')) !== 'ended';
    if (what === 'retry') {
      if ((await this.#control.retry(task)) !== 'waiting') return false;
      entry.starts = 0;
      entry.excused = 0;
      entry.retries = task.handovers;
      return true;
    }
    if (what === 'remove') {
      if ((await this.#control.remove(task)) !== 'removed') return false;
      entry.removed = true;
      return true;
    }
    const lock = `${this.#keys.task(task.pool, id)}:lock`;
    return (await this.#redis.del(lock)) > 0;
  }

  async #pause(pool: string, paused: boolean): Promise<boolean> {
    if (this.#paused.has(pool) === paused) return false;
    await setPoolPaused(this.#line.redis, this.#keys, pool, paused);
    if (paused) this.#paused.add(pool);
    else this.#paused.delete(pool);
    return true;
  }

  /** To the next moment at which something is due. Nothing is, an hour. */
  async #passTime(allBeat = false): Promise<boolean> {
    const times: number[] = [];
    for (const [key, value] of this.picture.values) {
      if (!/:delayed$|\/leases$|\/circuits$|\/session:|\/deaths$/.test(key)) continue;
      for (const text of [value].flat()) {
        for (const [score] of text.matchAll(/\b\d{16}\b/g)) times.push(Math.floor(Number(score) / 4_096));
        for (const [time] of text.matchAll(/\b1\d{12}\b/g)) {
          times.push(Number(time));
          if (/session/.test(key)) times.push(Number(time) + STICKY_MS);
        }
      }
    }
    const later = times.filter((time) => time > this.#now && time < this.#now + LONG_MS);
    this.#now = later.length > 0 ? Math.min(...later) : this.#now + 3_600_000;
    await setClock(this.#redis, this.#now);
    // As if those that are up had beaten all the while.
    if (allBeat)
      for (const { node } of this.#current)
        await this.#redis.zadd(this.#keys.leases, 'XX', this.#now + LEASE_MS, node.id);
    return true;
  }

  async #start(node: NodeSpec, adopts = false): Promise<void> {
    const { id, pools, labels = {} } = node;
    const { incarnation } = await this.#registry.register(id, pools, LEASE_MS, adopts ? LEASE_MS : 0);
    const line = virtualRedis(this.#redis);
    const circuits = new Circuits(line.redis, this.#keys, { failures: 2, minProbe: 60_000, maxProbe: 60_000 });
    const queueOf = (pool: string) =>
      new PoolConsumer({
        pool,
        owner: { nodeId: id, incarnation },
        labels,
        keys: this.#keys,
        strategy: () => 'pull',
        redis: line.redis,
        blocking: line.redis,
        visibilityTimeoutMs: LONG_MS,
        retention: { completedMs: LONG_MS, failedMs: LONG_MS, count: 1_000, usageMs: LONG_MS },
        sessionExchanges: 0,
        backoff: { delay: 60_000, max: 60_000, jitter: 0 },
        schedules: this.#schedules,
        circuits,
        signer: new TaskSigner([], this.#keys.bullPrefix),
        clockOffset: () => 0,
      });
    const life: Life = {
      node,
      incarnation,
      line,
      queues: new Map(pools.map((pool) => [pool, queueOf(pool)])),
      over: false,
      runs: [],
    };
    this.#lives.push(life);
    await this.#beat(life);
    if (!adopts) return;
    for (const queue of life.queues.values()) {
      for (const claim of await queue.adopt('all')) life.runs.push({ claim, queue });
    }
    await this.#registry.releaseHold({ nodeId: id, incarnation: incarnation - 1 });
  }

  async #beat({ node: { id, pools, labels = {} }, incarnation }: Life): Promise<void> {
    const record = aNodeRecord({
      incarnation,
      labels,
      leaseMs: LEASE_MS,
      pools: Object.fromEntries(pools.map((pool) => [pool, { concurrency: 2, running: 0 }])),
    });
    const how = { pools, leaseMs: LEASE_MS, stallMs: LONG_MS, idleStallMs: LONG_MS, graceMs: LONG_MS };
    await this.#registry.beat({ nodeId: id, incarnation }, record, sweepHow(id, how));
  }

  /**
   * From here on all is well: pools go on, nodes are up, beat and take what they may, and every run succeeds. All tasks
   * must end within a bounded number of rounds, and leave nothing behind once they are removed.
   *
   * @throws BrokenPromise.
   */
  async drain(): Promise<void> {
    for (const pool of this.#paused) await setPoolPaused(this.#line.redis, this.#keys, pool, false);
    for (const node of this.spec.nodes) if (!this.#current.some((life) => life.node === node)) await this.#start(node);
    for (let round = 0; round < 12; round++) {
      for (const { node } of this.#current) await this.take(`${node.id} recovers`);
      for (const node of this.spec.nodes)
        if (!this.#current.some((life) => life.node === node)) await this.#start(node);
      for (const life of this.#current) {
        await this.take(`${life.node.id} beats`);
        for (const { claim } of [...life.runs])
          await this.take(`${life.node.id}~${life.incarnation} succeeds ${this.#numberOf(claim.taskId)}`);
        await this.take(`${life.node.id} puts back`);
        for (const pool of life.node.pools) {
          await this.take(`${life.node.id} takes held ${pool}`);
          await this.take(`${life.node.id} claim ${pool}`);
          await this.take(`${life.node.id} claim ${pool}`);
        }
      }
      await this.#lapseStrangers();
      if (this.#open().length === 0) return this.#checkRemoved();
      await this.#passTime(true);
    }
    const open = this.#open().map((id) => `task ${this.#numberOf(id)}, ${this.#describe(id)}`);
    throw new BrokenPromise(`never ends, though all nodes are up and every run succeeds: ${open.join('; ')}`);
  }

  /** What nobody knows of any more ends with its visibility timeout. */
  async #lapseStrangers(): Promise<void> {
    const own = new Set(this.#current.flatMap(({ runs }) => runs.map(({ claim }) => claim.token)));
    for (const [id, { pool, lock }] of this.picture.tasks) {
      if (lock !== undefined && !own.has(lock)) await this.#redis.del(`${this.#keys.task(pool, id)}:lock`);
    }
  }

  #open(): string[] {
    return [...this.picture.tasks].flatMap(([id, { places }]) =>
      places.some((place) => place === 'completed' || place === 'failed' || place === 'cancelled') ? [] : [id],
    );
  }

  /** Nothing that belongs to a task is left once it is removed. */
  async #checkRemoved(): Promise<void> {
    for (const [id, { removed }] of this.#ledger) if (!removed) await this.take(`remove ${this.#numberOf(id)}`);
    // A reason that holds nothing any more goes with the next look.
    await this.take('release held');
    const left = [...this.picture.values.keys()].filter(
      (key) => [...this.#ledger.keys()].some((id) => key.includes(id)) || /\/held|\/key:/.test(key),
    );
    if (left.length > 0) throw new BrokenPromise(`left behind after all tasks were removed: ${left.join(', ')}`);
  }

  #describe(id: string): string {
    const task = this.picture.tasks.get(id);
    if (!task) return 'gone';
    return `in ${task.places.join('+')}, held for ${task.heldFor.join('+') || '-'}, lock ${task.lock ?? '-'}`;
  }

  #entry(id: string) {
    const entry = this.#ledger.get(id);
    if (!entry) throw new BrokenPromise(`a task that nobody has queued was given out: ${id}`);
    return entry;
  }

  #idOf(number: number): string {
    return `${'0'.repeat(25)}${number}`;
  }

  #numberOf(id: string): number {
    return Number(id);
  }
}
