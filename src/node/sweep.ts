import { leaseMs } from '../config/lease.ts';
import type { Timer } from '../domain/clock.ts';
import type { SweepOptions, Swept } from '../registry/sweeping.ts';
import type { NodeContext } from './context.ts';
import { InFlight } from './in-flight.ts';
import { OnDemand } from './on-demand.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import { sweepTurn } from './sweep-turn.ts';

/** Sweeps of a mesh that works come this often, ms: a quarter second is what detection adds to the crash grace. */
const SWEEP_MS = { least: 50, most: 250 };
/**
 * In a mesh that idles nobody's task could be lost; what a sleeping node has swallowed of a new one is seen so soon,
 * ms.
 */
const IDLE_SWEEP_MS = 1_000;
/** Short leases want more: so many sweeps per lease at least. */
const IDLE_SWEEPS_PER_LEASE = 15;
/** Sweeps nearer to each other than this share of the interval are one: timers are late. */
const SAME = 0.5;
/** After so many intervals without a sweep turns were missed, and a heartbeat sweeps. */
const MISSED = 1.5;
/** More intervals than this without a sweep, and without a heartbeat: Redis was frozen or everybody slept. */
const STALL = 10;
/** The same in heartbeats: if sweeps are late, each heartbeat still shows that Redis was not frozen. */
const STALL_BEATS = 1.5;
/** Claims are looked through this often even if no node has died: lapsed ones, or what a sweeper left behind, ms. */
const FULL_PASS_MS = 5_000;

/**
 * Watches over the other nodes: declares the dead dead, and puts their tasks back. Every node does this, so that there
 * is
 * no leader to elect or to lose: they take turns, together once per interval, however many they are. Where turns are
 * missed,
 * because many have died at once, the next heartbeat sweeps.
 *
 * Between two sweeps there is nothing that grows with the work in the mesh: putting tasks back and looking at what is
 * held
 * are asked for, and not waited for.
 */
export class Sweep implements Service {
  readonly name = 'sweep';
  readonly #context: NodeContext;
  readonly #runs: Pick<RunSet, 'count' | 'waitsForWork'>;
  readonly #releaser: Pick<OnDemand, 'ask'>;
  readonly #how: Omit<SweepOptions, 'intervalMs'>;
  /** In a mesh that works, ms. */
  readonly #intervalMs: number;
  readonly #idleMs: number;
  readonly #requeue: OnDemand;
  readonly #inFlight = new InFlight();
  #running = false;
  #stopped = false;
  /** One at a time: none may pile up while Redis is away. */
  #sweeping: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** A sweep that neither waits for its turn nor cares who else has swept, ms of monotonic time. */
  #dueAt = Number.POSITIVE_INFINITY;
  #busy = false;
  #nodes = 1;
  #rank = 0;

  constructor(
    context: NodeContext,
    { runs, releaser }: { runs: Pick<RunSet, 'count' | 'waitsForWork'>; releaser: Pick<OnDemand, 'ask'> },
  ) {
    this.#context = context;
    this.#runs = runs;
    this.#releaser = releaser;
    const { live, nodeId, pools, clock, events, onError } = context;
    const { config } = live;
    const lease = leaseMs(config);
    // Fast enough for its leases, and no faster than needed.
    this.#intervalMs = Math.min(SWEEP_MS.most, Math.max(SWEEP_MS.least, lease / 20));
    this.#idleMs = Math.max(this.#intervalMs, Math.min(IDLE_SWEEP_MS, lease / IDLE_SWEEPS_PER_LEASE));
    const beats = STALL_BEATS * config.health.heartbeatInterval;
    // What is left of any lease is longer than this: it was renewed within the last heartbeat.
    const stallMs = Math.max(Math.min(STALL * this.#intervalMs, lease / 2), Math.min(beats, lease - beats));
    this.#how = {
      nodeId,
      pools,
      stallMs,
      idleStallMs: Math.max(stallMs, beats),
      leaseMs: lease,
      graceMs: config.health.crashGrace,
      passMs: FULL_PASS_MS,
    };
    this.#requeue = new OnDemand({ name: 'requeue', clock, work: () => this.#requeueOrphaned(), onError });
    events.on('runsChanged', () => this.#inFlight.add(this.#working()));
  }

  /** How this node sweeps with a heartbeat. */
  get withBeat(): SweepOptions {
    return { ...this.#how, intervalMs: this.#currentMs * MISSED };
  }

  /** Between two sweeps, ms. */
  get #currentMs(): number {
    return this.#busy ? this.#intervalMs : this.#idleMs;
  }

  /** Acts on what is found from here on. */
  start(): void {
    if (this.#stopped) return;
    this.#running = true;
    this.#requeue.start();
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#running = false;
    this.#timer?.stop();
    await Promise.all([this.#requeue.stop(), this.#sweeping, this.#inFlight.ended()]);
  }

  /** This node works; the others may not know that there is a node to watch. */
  async #working(): Promise<void> {
    if (this.#running && !this.#busy && this.#runs.count > 0) await this.#context.backend.registry.tellBusy();
  }

  /** There is work in the mesh. */
  wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#plan();
  }

  /** Asks for what a sweep has shown to be needed. */
  found(swept: Swept): void {
    const { nodes, rank = this.#rank, pending, dueMs, held, busy, waiting, pass, deaths } = swept;
    this.#nodes = nodes;
    this.#rank = rank;
    // One that was too soon to look knows only what was before.
    const looked = swept.rank !== undefined;
    if (busy || looked) this.#busy = busy;
    // Whoever saw that a grace is nearly over comes back for it.
    if (looked) this.#dueAt = dueMs > 0 ? this.#context.clock.monotonic() + dueMs : Number.POSITIVE_INFINITY;
    // Tasks wait and so does this node: a node that sleeps may take the wake-up, and the next one.
    if (waiting && this.#runs.waitsForWork) {
      this.#dueAt = Math.min(this.#dueAt, this.#context.clock.monotonic() + this.#intervalMs);
    }
    for (const { nodeId, incarnation, reason, silentMs } of deaths) {
      const dead = { deadNode: nodeId, deadIncarnation: incarnation, reason, silentMs };
      this.#context.log.warn(dead, 'node declared dead');
    }
    this.#plan();
    if (!this.#running) return;
    if (pending > 0 || pass) this.#requeue.ask();
    if (held > 0) this.#releaser.ask();
  }

  /** The next sweep: in this node's turn, or before, where one is due. */
  #plan(): void {
    this.#timer?.stop();
    if (!this.#running) return;
    const where = { now: this.#context.redisClock.now, rank: this.#rank, nodes: this.#nodes };
    const turn = sweepTurn({ ...where, intervalMs: this.#currentMs });
    const dueMs = this.#dueAt - this.#context.clock.monotonic();
    const due = dueMs <= turn;
    const waitMs = due ? Math.max(0, dueMs) : turn;
    this.#timer = this.#context.clock.timer(waitMs, () => {
      this.#sweeping ??= this.#sweep(due);
    });
  }

  async #sweep(due: boolean): Promise<void> {
    const { backend, onError } = this.#context;
    if (due) this.#dueAt = Number.POSITIVE_INFINITY;
    try {
      this.found(await backend.registry.sweep({ ...this.#how, intervalMs: due ? 0 : this.#currentMs * SAME }));
    } catch (error) {
      onError(error);
    }
    this.#sweeping = undefined;
    // A turn may have come and gone meanwhile.
    this.#plan();
  }

  /**
   * Reads the deaths before it requeues, and clears them after: a death that comes in between waits for the next round.
   */
  async #requeueOrphaned(): Promise<void> {
    const { backend, log, observer } = this.#context;
    const owners = await backend.registry.pendingDeaths();
    for (const { taskId, pool, from, reason } of await backend.requeue()) {
      log.warn({ taskId, pool, from, reason }, 'task requeued');
      observer.handedOver(reason);
    }
    await backend.registry.clearDeaths(owners);
  }
}
