import type { Redis } from 'ioredis';
import type { TaskTransition } from '../../src/domain/task-state.ts';
import * as deliveries from './deliveries.ts';
import { BrokenPromise, checkPicture, checkSchedules, toCome } from './invariants.ts';
import { type Daemon, Mind, nameOf } from './mind.ts';
import * as nodes from './nodes.ts';
import * as people from './people.ts';
import { isLapsed, normalForm } from './picture.ts';
import type { NodeSpec, WorldSpec } from './spec.ts';
import { BEGINNING, SLOTS } from './spec.ts';
import * as around from './surroundings.ts';
import { transitionsOf } from './transitions.ts';
import { type Fault, setClock } from './virtual-redis.ts';

/** Rounds in which everything that can be done is done; no more are required for all tasks to end. */
const MOST_ROUNDS = 16;
/** Ways of a run to end that are part of every world. */
const ENDS = ['succeeds', 'crash'];

/**
 * One way through a world, on a Redis of its own. Every step is a line of text, so that a way can be read, and gone
 * again.
 */
export class World {
  readonly #mind: Mind;
  /** Steps that were taken. */
  transitions = 0;
  /** The rows of the transition table that tasks have gone through. */
  readonly rows = new Set<TaskTransition>();
  /** The first is an empty one. */
  readonly #onDisk: around.OnDisk[] = [];

  private constructor(mind: Mind) {
    this.#mind = mind;
  }

  /** A world in which all nodes are up and nothing has been queued. Empties the database. */
  static async open(spec: WorldSpec, redis: Redis): Promise<World> {
    const mind = new Mind(spec, redis);
    const world = new World(mind);
    await redis.flushdb();
    if (spec.redisFaults) world.#onDisk.push(await around.writeToDisk(mind));
    await setClock(redis, BEGINNING);
    for (const node of spec.nodes) await nodes.start(mind, node);
    await mind.look();
    return world;
  }

  async close(): Promise<void> {
    for (const { queues } of this.#mind.daemons) for (const queue of queues.values()) await queue.close();
    await this.#mind.schedules.close();
  }

  get spec(): WorldSpec {
    return this.#mind.spec;
  }

  /** Two worlds with the same state continue alike. */
  get state(): string {
    const { picture, keys, daemons, ledger, paused, now, scheduled, strategy, jumpedAt, unseenJump } = this.#mind;
    const sending = daemons.flatMap((daemon) =>
      daemon.deliveries.map(({ delivery }) => `${nameOf(daemon)} sends ${delivery.taskId} ${delivery.token}`),
    );
    const incarnations = picture.values.get(keys.incarnations) ?? [];
    const current: string[] = [];
    for (let i = 0; i + 1 < incarnations.length; i += 2) current.push(`${incarnations[i]}~${incarnations[i + 1]}`);
    const known = [
      `current ${current.join(' ')}`,
      ...daemons.flatMap((daemon) => {
        if (daemon.over && daemon.runs.length === 0) return [];
        const held = daemon.runs.map(({ claim }) => `${claim.taskId} ${claim.token}`).sort();
        return `${nameOf(daemon)} ${daemon.over ? 'over' : 'up'}: ${held.join(', ')}`;
      }),
      ...sending.sort(),
      `queued ${[...ledger.keys()].join(' ')}`,
      `paused ${[...paused].sort().join(' ')}`,
      `schedules ${[...scheduled].map(([name, { paused: rests }]) => `${name} ${rests}`).join(' ')}`,
      `${strategy} ${this.#onDisk.length} ${jumpedAt === now} ${unseenJump}`,
    ];
    return normalForm(picture, now, known.join('\n'));
  }

  /** All that may happen next. */
  steps(): string[] {
    const { spec, daemons, current, ledger, scheduled, strategy, paused, pools } = this.#mind;
    const steps: string[] = [];
    const next = this.#mind.queued + 1;
    if (next <= spec.tasks.length) steps.push(`enqueue ${next}`);
    for (const daemon of current) steps.push(...this.#stepsOf(daemon));
    for (const node of spec.nodes)
      if (!this.#mind.daemonOf(node)) steps.push(`${node.id} starts`, `${node.id} starts again`);
    for (const daemon of daemons) steps.push(...this.#endsOf(daemon));
    for (const [id, { removed }] of ledger) {
      if (removed) continue;
      for (const what of ['cancel', 'retry', 'remove', 'lapse']) steps.push(`${what} ${this.#mind.nameOfTask(id)}`);
    }
    if (this.#delivers) {
      for (const [id, { removed }] of ledger) if (!removed) steps.push(`deliver ${this.#mind.nameOfTask(id)}`);
      steps.push('outboxes tidied');
    }
    steps.push('release held', 'time', 'expire');
    for (const pool of pools) steps.push(`${paused.has(pool) ? 'resume' : 'pause'} ${pool}`);
    for (const name of Object.keys(spec.schedules ?? {})) {
      const here = scheduled.get(name);
      if (!here) steps.push(`schedule add ${name}`);
      else steps.push(`schedule remove ${name}`, `schedule ${here.paused ? 'resume' : 'pause'} ${name}`);
    }
    if (spec.schedules) steps.push('schedules mended');
    if (spec.redisFaults?.includes('clock') && !this.#mind.unseenJump) steps.push('clock forward', 'clock back');
    if (spec.redisFaults?.includes('memory')) steps.push('redis writes', 'redis forgets');
    if (spec.redisFaults?.includes('emptied')) steps.push('redis emptied', 'scripts flushed');
    for (const other of spec.strategies ?? []) if (other !== strategy) steps.push(`strategy ${other}`);
    if (spec.evicts) for (const { id } of spec.nodes) steps.push(`evict ${id}`);
    if (spec.failures?.includes('provider')) steps.push('close p/m');
    return steps;
  }

  /** Whether tasks of this world have a recipient. */
  get #delivers(): boolean {
    return this.spec.tasks.some(({ deliver }) => deliver !== undefined);
  }

  #stepsOf(daemon: Daemon): string[] {
    const { spec } = this.#mind;
    const { id, pools } = daemon.node;
    const faults = ['', ' lost', ' twice', ...(spec.schedules ? [' unadvanced'] : [])];
    const steps = pools
      .filter((pool) => nodes.runsIn(daemon, pool) < SLOTS)
      .flatMap((pool) => [...faults.map((fault) => `${id} claim ${pool}${fault}`), `${id} takes held ${pool}`]);
    steps.push(`${id} beats`, `${id} requeues`, `${id} recovers`, `${id} dies`);
    if (daemon.runs.length > 0) steps.push(`${id} renews`);
    if (this.#delivers && daemon.deliveries.length < SLOTS) steps.push(`${id} answers`);
    return steps;
  }

  /** What may become of its runs. What a daemon that is over had sent may arrive late. */
  #endsOf(daemon: Daemon): string[] {
    const { failures = [], reassigns } = this.spec;
    const repeats = daemon.ended.map(({ claim }) => `${nameOf(daemon)} repeats ${this.#mind.nameOfTask(claim.taskId)}`);
    const ends = daemon.runs.flatMap(({ claim }) => {
      const name = this.#mind.nameOfTask(claim.taskId);
      const step = (what: string, fault = '') => `${nameOf(daemon)} ${what} ${name}${fault}`;
      if (daemon.over) return ENDS.map((end) => step(end));
      return [
        ...ENDS.flatMap((end) => ['', ' lost', ' twice'].map((fault) => step(end, fault))),
        ...failures.map((kind) => step(kind)),
        step('releases'),
        step('releases', ' lost'),
        step('logs'),
        ...(reassigns ? [step('reassigns')] : []),
      ];
    });
    const sends = daemon.deliveries.flatMap(({ delivery }) =>
      Object.keys(deliveries.SENDS).flatMap((how) =>
        ['', ' lost', ' twice'].map(
          (fault) => `${nameOf(daemon)} ${how} ${this.#mind.nameOfTask(delivery.taskId)}${fault}`,
        ),
      ),
    );
    return [...new Set(repeats), ...ends, ...sends];
  }

  /** Whether a step can do more than nothing; the others are worth a try now and then. */
  isOfUse(step: string): boolean {
    const { picture, keys, daemons } = this.#mind;
    const [who = '', what = '', pool = ''] = step.split(' ');
    const size = (key: string) => (picture.values.get(key) ?? []).length;
    const held = size(keys.held) > 0;
    const own = [...picture.tasks.values()];
    if (what === 'claim') return ['wait', 'prioritized', 'delayed'].some((place) => size(keys.pool(pool, place)) > 0);
    if (what === 'takes' || who === 'release') return held;
    if (who === 'expire') return people.expired(this.#mind).length > 0;
    if (what === 'requeues') return size(keys.deaths) > 0 || own.some(isLapsed);
    if (what === 'recovers') {
      const known = new Set(daemons.flatMap(({ runs }) => runs.map(({ claim }) => claim.token)));
      return own.some(({ lock }) => lock?.startsWith(`${who}~`) && !known.has(lock));
    }
    if (what === 'renews') return own.some(isLapsed);
    return !['beats', 'logs', 'flushed'].includes(what);
  }

  /** Does one step, if it can be done now, and checks what must hold. @throws BrokenPromise. */
  async take(step: string): Promise<boolean> {
    const mind = this.#mind;
    const before = mind.picture;
    this.transitions++;
    const done = await this.#do(step);
    await mind.schedules.settle();
    if (!done) return false;
    await mind.look();
    mind.noteScheduled();
    checkPicture(mind.picture, mind.keys, mind.ledger, mind.pools);
    deliveries.checkDeliveries(mind.picture, mind.keys);
    checkSchedules(mind.picture, Object.keys(mind.spec.schedules ?? {}));
    for (const row of transitionsOf(step, before, mind.picture)) this.rows.add(row);
    return true;
  }

  async #do(step: string): Promise<boolean> {
    const mind = this.#mind;
    const fault = /( lost| twice)$/.exec(step)?.[1]?.trim() as Fault | undefined;
    const [first = '', second = '', third = '', fourth = ''] = step.split(' ');
    switch (first) {
      case 'enqueue':
        return people.enqueue(mind, Number(second));
      case 'cancel':
        return people.cancel(mind, mind.idOf(second));
      case 'retry':
        return people.retry(mind, mind.idOf(second));
      case 'remove':
        return people.remove(mind, mind.idOf(second));
      case 'deliver':
        return deliveries.again(mind, mind.idOf(second));
      case 'outboxes':
        return deliveries.tidied(mind);
      case 'pause':
      case 'resume':
        return people.pause(mind, second, first === 'pause');
      case 'schedule':
        return people.steerSchedule(mind, second, third);
      case 'schedules':
        return people.mend(mind);
      case 'evict':
        return people.evict(mind, second);
      case 'close':
        return people.close(mind, second);
      case 'strategy':
        mind.strategy = (mind.spec.strategies ?? []).find((name) => name === second) ?? 'pull';
        return true;
      case 'release':
        await mind.release();
        return true;
      case 'lapse':
        return around.lapse(mind, mind.idOf(second));
      case 'expire':
        return people.expire(mind);
      case 'time':
        return around.passTime(mind);
      case 'clock':
        return around.jump(mind, second === 'forward');
      case 'scripts':
        await mind.redis.script('FLUSH');
        return true;
      case 'redis':
        return this.#redis(second);
    }
    if (!first.includes('~')) {
      mind.schedules.loseNext = step.endsWith(' unadvanced');
      return this.#act(mind.nodeOf(first), second, third, fault).finally(() => {
        mind.schedules.loseNext = false;
      });
    }
    const id = mind.idOf([third, fourth].find((word) => /^s?\d+$/.test(word)) ?? '');
    for (const daemon of mind.daemons.filter((each) => nameOf(each) === first)) {
      if (second in deliveries.SENDS) return deliveries.ends(mind, daemon, id, second, fault);
      const runs = second === 'repeats' ? daemon.ended : daemon.runs;
      const run = runs.find(({ claim }) => claim.taskId === id);
      if (!run) continue;
      if (second === 'logs') await nodes.logs(daemon, run);
      else if (second === 'repeats') await nodes.repeats(mind, daemon, run);
      else await nodes.ends(mind, daemon, run, second, fault);
      return true;
    }
    return false;
  }

  async #act(node: NodeSpec, what: string, pool: string, fault: Fault | undefined): Promise<boolean> {
    const mind = this.#mind;
    const daemon = mind.daemonOf(node);
    if ((what === 'starts') === (daemon !== undefined)) return false;
    if (!daemon) {
      await nodes.start(mind, node, pool === 'again');
      return true;
    }
    const acts: Record<string, () => Promise<void>> = {
      claim: () => nodes.claims(mind, daemon, pool, fault),
      takes: () => nodes.takesHeld(mind, daemon),
      beats: () => nodes.beats(mind, daemon),
      requeues: () => nodes.requeues(mind),
      recovers: () => nodes.recovers(mind, daemon),
      renews: () => nodes.renews(mind, daemon),
      answers: () => deliveries.takes(mind, daemon),
      dies: async () => {
        daemon.over = true;
      },
    };
    const act = acts[what];
    if (!act) throw new Error(`no step of a node: ${what}`);
    await act();
    return true;
  }

  async #redis(what: string): Promise<boolean> {
    if (what === 'writes') {
      this.#onDisk.push(await around.writeToDisk(this.#mind));
      return true;
    }
    const last = what === 'emptied' ? this.#onDisk[0] : this.#onDisk.at(-1);
    return last !== undefined && around.forget(this.#mind, last);
  }

  /**
   * From here on all is well: pools resume, nodes are up, beat and claim what they may, and every run succeeds. All tasks
   * must end within a bounded number of rounds, and leave nothing behind once they are removed.
   *
   * @throws BrokenPromise.
   */
  async drain(): Promise<void> {
    const mind = this.#mind;
    for (const pool of [...mind.paused]) await this.take(`resume ${pool}`);
    for (let round = 0; round < MOST_ROUNDS; round++) {
      for (const daemon of mind.current) await this.take(`${daemon.node.id} recovers`);
      for (const node of mind.spec.nodes) if (!mind.daemonOf(node)) await this.take(`${node.id} starts`);
      for (const daemon of mind.current) await this.#work(daemon);
      if (mind.spec.schedules) await this.take('schedules mended');
      await around.lapseStrangers(mind);
      const toComeOf = (name: string) => toCome(mind.picture, name);
      const next = new Set([...mind.scheduled.keys()].flatMap(toComeOf));
      if (mind.open().every((id) => next.has(id)) && deliveries.undelivered(mind.picture).length === 0)
        return this.#end();
      await around.passTime(mind, true);
    }
    const open = mind.open().map((id) => `task ${mind.nameOfTask(id)}, ${this.#describe(id)}`);
    for (const id of deliveries.undelivered(mind.picture)) open.push(`the answer of task ${mind.nameOfTask(id)}`);
    throw new BrokenPromise(`never ends, though all nodes are up and every run succeeds: ${open.join('; ')}`);
  }

  async #work(daemon: Daemon): Promise<void> {
    const { id, pools } = daemon.node;
    await this.take(`${id} beats`);
    await this.take(`${id} requeues`);
    for (const pool of pools) {
      await this.take(`${id} takes held ${pool}`);
      for (let slot = 0; slot < SLOTS; slot++) await this.take(`${id} claim ${pool}`);
    }
    for (const { claim } of [...daemon.runs])
      await this.take(`${nameOf(daemon)} succeeds ${this.#mind.nameOfTask(claim.taskId)}`);
    if (!this.#delivers) return;
    for (let slot = 0; slot < SLOTS; slot++) await this.take(`${id} answers`);
    for (const { delivery } of [...daemon.deliveries])
      await this.take(`${nameOf(daemon)} sends ${this.#mind.nameOfTask(delivery.taskId)}`);
  }

  async #end(): Promise<void> {
    const mind = this.#mind;
    for (const name of [...mind.scheduled.keys()]) await this.take(`schedule remove ${name}`);
    for (const [id, { removed }] of mind.ledger) if (!removed) await this.take(`remove ${mind.nameOfTask(id)}`);
    if (this.#delivers) await this.take('outboxes tidied');
    // A reason that holds nothing any more goes with the next look.
    await this.take('release held');
    around.checkNothingLeft(mind);
  }

  #describe(id: string): string {
    const task = this.#mind.picture.tasks.get(id);
    if (!task) return 'gone';
    return `in ${task.places.join('+')}, held for ${task.heldFor.join('+') || '-'}, lock ${task.lock ?? '-'}`;
  }
}
