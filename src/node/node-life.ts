import { leaseMs } from '../config/lease.ts';
import type { Incarnation } from '../domain/claim.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import type { NodeRecord } from '../domain/node.ts';
import type { Logger } from '../log/logger.ts';
import { thisHolder } from '../registry/node-holder.ts';
import type { Presence } from '../registry/presence.ts';
import { adoptFormerLife, adoptionMs } from './adoption.ts';
import type { StopReason } from './attempt-run.ts';
import { ClockWatch } from './clock-watch.ts';
import { noteGates } from './gate-notes.ts';
import { GatewayMedic } from './gateway-medic.ts';
import { LoadMeter } from './load.ts';
import type { NodeLifeOptions } from './node-life-options.ts';
import { nodeRecord } from './node-record.ts';
import { type NodeStanding, nodeStanding } from './node-standing.ts';
import { OpenClawWatch } from './openclaw-watch.ts';
import { OwnFaults } from './own-faults.ts';
import { Periodic } from './periodic.ts';
import { Readiness } from './readiness.ts';
import { Running } from './running.ts';
import { SleepWatch } from './sleep-watch.ts';
import { Surroundings } from './surroundings.ts';
import { takeDown } from './take-down.ts';
import { Upkeep } from './upkeep.ts';
import { withinTime } from './within-time.ts';

/** Longest wait for a run to be stopped and handed back, ms: SIGKILL comes after 5 s. What is left lapses. */
const STOP_MS = 10_000;

/**
 * One incarnation of the node: from its registration until it is stopped or fenced. A fenced one is thrown away whole,
 * never resumed (FACTS.md, "Sleep/wake hazard"); the daemon then begins another.
 *
 * Stop order: claims first, then the runs, then the heartbeat, so that the node counts as alive for as long as it holds
 * anything.
 */
export class NodeLife {
  readonly owner: Incarnation;
  /** Resolves when Redis has said that this incarnation is no longer the node's. */
  readonly fenced: Promise<void>;
  readonly #options: NodeLifeOptions;
  readonly #log: Logger;
  readonly #running: Running;
  readonly #load = new LoadMeter();
  readonly #startedAt = performance.now();
  readonly #markFenced: () => void;
  readonly #watch: OpenClawWatch;
  readonly #heartbeat: Periodic;
  readonly #upkeep: Upkeep;
  readonly #readiness: Readiness;
  readonly #surroundings: Surroundings;
  readonly #faults: OwnFaults;
  readonly #clock: ClockWatch;
  /** Monotonic time (ms) of the last heartbeat that Redis has taken. */
  #lastBeat = Number.NEGATIVE_INFINITY;
  // Redis refuses what a fenced incarnation asks for, so all there is to do after a sleep is to ask it at once.
  readonly #sleepWatch = new SleepWatch((sleptMs) => {
    this.#log.warn({ sleptMs }, 'stood still (sleep, freeze or a blocked event loop); asking Redis who we are');
    this.#try(this.#beat());
  });
  #presence: Presence | undefined;
  #stopListening = () => {};

  private constructor(options: NodeLifeOptions, incarnation: number, redisTime: number) {
    this.#options = options;
    this.owner = { nodeId: options.nodeId, incarnation };
    this.#log = options.log.child({ nodeId: options.nodeId, incarnation });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.fenced = promise;
    this.#markFenced = resolve;
    const { live } = options;
    const pools = Object.keys(options.settings.pools);
    const onError = (error: unknown) => this.#onError(error);
    this.#clock = new ClockWatch(redisTime, (jumpMs) => {
      this.#log.warn({ jumpMs }, 'Redis’ clock jumped, or this machine slept; renewing all claims');
      this.#try(this.#upkeep.renewal.renewAll());
    });
    this.#faults = new OwnFaults({
      ...options,
      registry: options.link.registry,
      onChange: () => void this.#gatesChanged(),
    });
    this.#running = new Running({
      ...options,
      log: this.#log,
      pressure: () => this.#surroundings.pressure,
      mayClaim: () => this.#readiness.open,
      backoffs: this.#faults.backoffs,
      onLoginRefused: (claim, message) => this.#faults.loginRefused(claim, message),
      onOutcome: (claim, outcome) => this.#faults.ended(claim, outcome),
      onFenced: this.#markFenced,
      onWork: () => this.#upkeep.sweep.working(),
    });
    this.#watch = new OpenClawWatch({
      runner: options.runner,
      expected: () => live.config.openclaw.version,
      log: this.#log,
      medic: GatewayMedic.for(options.runner.mode, live.config, this.#log),
      mask: this.#running.mask,
      onChange: () => void this.#gatesChanged(),
    });
    this.#surroundings = new Surroundings({
      ...options,
      registry: options.link.registry,
      folder: options.journal.folder,
      pools,
      cpu: () => this.#load.cpu,
      // Most looks change nothing; the loops need not hear of them.
      onLook: () => this.#readiness.stale && void this.#gatesChanged(),
      onError,
    });
    this.#readiness = new Readiness(() => ({
      ...this.#surroundings.facts,
      ...live.config.gates,
      openclaw: this.#watch.state,
      openclawTrouble: this.#watch.trouble,
      ...this.#faults.facts,
      journalTrouble: options.journal.trouble,
      clockSkewMs: -this.#clock.offset,
      maxClockSkewMs: live.config.gates.maxClockSkew,
    }));
    this.#heartbeat = new Periodic({
      intervalMs: live.config.health.heartbeatInterval,
      work: () => this.#beat(),
      onError,
    });
    this.#upkeep = new Upkeep({
      ...options.link,
      nodeId: options.nodeId,
      now: () => this.#clock.now,
      loops: this.#running.loops,
      observer: options.observer,
      releaseHeld: async () => this.#running.takeHeld((await options.link.releaseHeld()).heldFor),
      pools,
      config: live.config,
      log: this.#log,
      onError,
    });
  }

  /** Registers the node, if `former` is still its incarnation, and starts all its loops; heartbeats come before anything slow. */
  static async begin(options: NodeLifeOptions, former?: number): Promise<NodeLife> {
    const pools = Object.keys(options.settings.pools);
    const lease = leaseMs(options.live.config);
    const holdMs = adoptionMs(options);
    const { nodeId, link } = options;
    const { incarnation, redisTime } = await link.registry.register(nodeId, pools, lease, holdMs, former);
    const life = new NodeLife(options, incarnation, redisTime);
    try {
      await life.#setUp(holdMs);
    } catch (error) {
      await life.end('fenced').catch(() => {});
      throw error;
    }
    return life;
  }

  async #setUp(holdMs: number): Promise<void> {
    const { link, settings, runner, live, journal } = this.#options;
    const { registry } = link;
    this.#presence = await link.openPresence((message) => this.#nudged(message));
    await this.#presence.show(registry.channels(this.owner));
    await this.#beat();
    for (const watch of [this.#heartbeat, this.#sleepWatch, this.#watch, this.#surroundings]) watch.start();
    for (const [pool, concurrency] of Object.entries(settings.pools)) {
      this.#running.add(await link.openQueue(pool, this.owner, () => this.#clock.offset), concurrency);
    }
    const { loops } = this.#running;
    // Before the node takes up what its former life left, which grows with that.
    this.#upkeep.start();
    const former = { ...this.#options, registry, owner: this.owner, loops, log: this.#log };
    await runner.settle(holdMs > 0 ? await adoptFormerLife(former) : []);
    // Nothing is claimed before it is known how OpenClaw is, and that nothing of a former life goes on in it.
    await this.#watch.look();
    for (const loop of loops) loop.start();
    const undo = [
      link.onReconnect(() => {
        for (const work of [this.#upkeep.renewal.renewAll(), this.#running.recoverClaims()]) this.#try(work);
      }),
      journal.onTrouble(() => void this.#gatesChanged()),
    ];
    this.#stopListening = () => undo.forEach((stop) => void stop());
    this.#log.info({ pools: settings.pools, mode: runner.mode, configDigest: live.digest }, 'node is up');
  }

  /** Whether it claims tasks, and else why not. */
  standing(): NodeStanding {
    const heartbeatAgeMs = performance.now() - this.#lastBeat;
    return nodeStanding(this.owner, this.#readiness.gates(), heartbeatAgeMs, leaseMs(this.#options.live.config));
  }

  /** Takes nothing new, waits for the runs, hands back what does not end in `drainTimeoutMs` or once `hurry` resolves. */
  async drain(drainTimeoutMs: number, hurry: Promise<void>): Promise<void> {
    this.#readiness.stop();
    this.#log.info({ running: this.#running.runs.length }, 'draining');
    // Neither may hold up the stop when Redis is away.
    void this.#beat().catch(() => {});
    const stopped = Promise.all(this.#running.loops.map((loop) => loop.stopClaiming()));
    const idle = stopped.then(() => Promise.all(this.#running.loops.map((loop) => loop.idle())));
    await withinTime(Promise.race([idle, hurry]), drainTimeoutMs);
    this.#running.stop('hand-back');
    await withinTime(idle, STOP_MS);
  }

  /** Ends everything of this incarnation; runs that still go on are stopped for `reason`. */
  async end(reason: StopReason): Promise<void> {
    this.#readiness.stop();
    this.#stopListening();
    this.#running.stop(reason);
    for (const one of [this.#watch, this.#surroundings, this.#upkeep, this.#sleepWatch, this.#faults]) one.stop();
    void this.#heartbeat.stop();
    const ended = (error: unknown) => this.#log.debug({ error: messageOf(error) }, 'not ended in order');
    // Whatever Redis answers by now, the next life needs this one to have ended.
    const finish = (work: Promise<unknown>) => withinTime(work.catch(ended), STOP_MS);
    await finish(this.#running.end());
    if (reason !== 'fenced') await finish(this.#beat(true));
    this.#presence?.hide();
    this.#load.stop();
    await finish(Promise.all(this.#running.loops.map((loop) => loop.queue.close())));
    this.#log.info({ reason }, 'node is down');
  }

  /** The config has been replaced. Loops that wait for work wait for what the old strategy wakes them with. */
  configChanged(): void {
    void this.#watch.look();
    this.#surroundings.look();
    void this.#gatesChanged();
    this.#try(this.#running.interrupt());
  }

  async #gatesChanged(): Promise<void> {
    const { registry } = this.#options.link;
    this.#try(noteGates(this.#readiness.refresh(), { owner: this.owner, log: this.#log, registry }));
    try {
      await Promise.all(this.#running.loops.map((loop) => loop.gatesChanged()));
      await this.#beat();
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Somebody has told this node something: to look at once what is wanted of it, or to stop one run. */
  #nudged(message: string): void {
    const [, what, rest = ''] = /^(\S+) ?(.*)$/.exec(message) ?? [];
    if (what === 'cancel') this.#running.stop('cancelled', rest);
    else if (what === 'held') this.#try(this.#running.takeHeldHere(rest));
    else if (what === 'look') this.#surroundings.look();
    else if (what === 'who') this.#try(this.#options.link.holders.answer(rest, thisHolder()));
    else if (what === 'busy') this.#upkeep.sweep.wake();
    else this.#try(this.#beat());
  }

  #try(work: Promise<unknown>): void {
    void work.catch((error: unknown) => this.#onError(error));
  }

  async #beat(stopped = false): Promise<void> {
    const { link, observer } = this.#options;
    const { sweep } = this.#upkeep;
    const askedAt = performance.now();
    const { redisTime, wish, swept } = await link.registry.beat(this.owner, this.#record(stopped), sweep.withBeat);
    this.#lastBeat = performance.now();
    this.#clock.follow(redisTime);
    sweep.found(swept);
    observer.beat(this.#lastBeat - askedAt);
    if (wish === 'drill-crash' || wish === 'drill-freeze')
      takeDown(wish, leaseMs(this.#options.live.config) * 2, this.#log);
    const drain = wish === 'drain';
    if (drain !== this.#readiness.drained && !stopped) this.#setDrained(drain);
  }

  #record(stopped: boolean): NodeRecord {
    return nodeRecord(this.#options, {
      incarnation: this.owner.incarnation,
      startedAt: this.#startedAt,
      stopped,
      readiness: this.#readiness,
      running: this.#running,
      openclaw: this.#watch.state,
      load: this.#load.read(),
    });
  }

  #setDrained(drain: boolean): void {
    const { drainTimeout } = this.#options.settings;
    if (drain) this.#readiness.drain(drainTimeout, () => this.#running.stop('hand-back'));
    else this.#readiness.resume();
    this.#log.info({ drainTimeoutMs: drainTimeout }, drain ? 'drained by hand' : 'goes on');
    void this.#gatesChanged();
  }

  #onError(error: unknown): void {
    if (hasCode(error, 'fenced')) {
      this.#log.error({ error: messageOf(error) }, 'fenced: stopping all runs');
      this.#markFenced();
    } else {
      this.#log.warn({ error: messageOf(error) }, 'Redis trouble');
    }
  }
}
