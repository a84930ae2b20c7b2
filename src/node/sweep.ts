import { leaseMs } from '../config/lease.ts';
import type { Timer } from '../domain/clock.ts';
import type { SweepOptions, Swept } from '../registry/sweeping.ts';
import type { NodeContext } from './context.ts';
import { InFlight } from './in-flight.ts';
import { OnDemand } from './on-demand.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import { sweepTurn } from './sweep-turn.ts';

/** Interval between sweeps of a busy mesh, ms: detection adds at most a quarter second to the crash grace. */
const SWEEP_MS = { least: 50, most: 250 };
/**
 * Interval between sweeps of an idle mesh, ms. No task can be lost there, but a sleeping node may have taken a wake-up
 * for a new one; the sweep notices this.
 */
const IDLE_SWEEP_MS = 1_000;
/** Short leases need shorter intervals: at least this many sweeps per lease. */
const IDLE_SWEEPS_PER_LEASE = 15;
/** Sweeps closer to each other than this share of the interval count as one, since timers are late. */
const SAME = 0.5;
/** After this many intervals without a sweep, turns were missed and a heartbeat sweeps. */
const MISSED = 1.5;
/** More intervals than this without a sweep or heartbeat: Redis was frozen, or all nodes slept. */
const STALL = 10;
/** The same limit in heartbeats: if sweeps are late, each heartbeat still shows that Redis was not frozen. */
const STALL_BEATS = 1.5;
/**
 * Interval between full passes over claims, even if no node has died, ms: some may have lapsed, or a sweeper may have
 * failed before the requeue.
 */
const FULL_PASS_MS = 5_000;

/**
 * Watches the other nodes: declares dead nodes dead, and requeues their tasks. Every node does this, so there is no
 * leader to elect or to lose. Nodes take turns and together sweep once per interval, however many they are. If turns
 * are missed because many nodes have died at once, the next heartbeat sweeps.
 *
 * No step of a sweep grows with the work in the mesh: it only requests that tasks be requeued and held tasks be
 * checked, and does not wait for this.
 */
export class Sweep implements Service {
  readonly name = 'sweep';
  readonly #context: NodeContext;
  readonly #runs: Pick<RunSet, 'count' | 'waitsForWork'>;
  readonly #releaser: Pick<OnDemand, 'ask'>;
  readonly #how: Omit<SweepOptions, 'intervalMs'>;
  /** In a busy mesh, ms. */
  readonly #intervalMs: number;
  readonly #idleMs: number;
  readonly #requeue: OnDemand;
  readonly #inFlight = new InFlight();
  #running = false;
  /** One sweep at a time: sweeps must not pile up while Redis is away. */
  #sweeping: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** When to sweep regardless of turns and of other nodes' sweeps, ms of monotonic time. */
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
    // Fast enough for the mesh's leases, and no faster than needed.
    this.#intervalMs = Math.min(SWEEP_MS.most, Math.max(SWEEP_MS.least, lease / 20));
    this.#idleMs = Math.max(this.#intervalMs, Math.min(IDLE_SWEEP_MS, lease / IDLE_SWEEPS_PER_LEASE));
    const beats = STALL_BEATS * config.health.heartbeatInterval;
    // The rest of any lease is longer than this, since it was renewed within the last heartbeat interval.
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
    events.on('runsChanged', () => this.#working());
  }

  /** The options for a sweep by a heartbeat of this node. */
  get withBeat(): SweepOptions {
    return { ...this.#how, intervalMs: this.#currentMs * MISSED };
  }

  /** Interval between sweeps, ms. */
  get #currentMs(): number {
    return this.#busy ? this.#intervalMs : this.#idleMs;
  }

  /** Acts on the results of sweeps from now on. */
  start(): void {
    if (this.#inFlight.isOver) return;
    this.#running = true;
    this.#requeue.start();
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.stop();
    await Promise.all([this.#requeue.stop(), this.#sweeping, this.#inFlight.end()]);
  }

  /** Tells the mesh that this node works: the other nodes may not know that there is a node to watch. */
  #working(): Promise<void> | undefined {
    if (!this.#running || this.#busy || this.#runs.count === 0) return undefined;
    return this.#inFlight.run(() => this.#context.backend.registry.tellBusy());
  }

  /** Records that the mesh is busy. */
  wake(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#plan();
  }

  /** Requests the work that a sweep has found. */
  found(swept: Swept): void {
    const { nodes, rank = this.#rank, pending, dueMs, held, busy, waiting, pass, deaths } = swept;
    this.#nodes = nodes;
    this.#rank = rank;
    // A sweep that came too soon to look reports only old facts.
    const looked = swept.rank !== undefined;
    if (busy || looked) this.#busy = busy;
    // The node that saw a nearly expired grace sweeps again for it.
    if (looked) this.#dueAt = dueMs > 0 ? this.#context.clock.monotonic() + dueMs : Number.POSITIVE_INFINITY;
    // Tasks wait, and so does this node: a sleeping node may have taken the wake-up, and may take the next one.
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

  /** Plans the next sweep: at this node's turn, or earlier if one is due. */
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
    // A turn may have passed during the sweep.
    this.#plan();
  }

  /** Reads the deaths before it requeues, and clears them afterwards: a death in between waits for the next round. */
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
