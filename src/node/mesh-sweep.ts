import { leaseMs } from '../config/lease.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../log/logger.ts';
import type { Requeued } from '../queue/requeue.ts';
import type { NodeRegistry, SweepOptions } from '../registry/node-registry.ts';
import type { NodeObserver } from './observer.ts';
import { Periodic } from './periodic.ts';

/** Sweeps of the whole mesh come this often at most, ms: a quarter second is what detection adds to the crash grace. */
const SWEEP_MS = { least: 50, most: 250 };
/** A single node sweeps at least every so many intervals, however many others there are. */
const MAX_SHARE = 4;
/** More intervals than this without a sweep: Redis was frozen or everybody slept. */
const STALL = 10;
/** Periodic's jitter takes up to a tenth off, which must not bring the sweeper back too early. */
const DUE_MARGIN = 1.12;
/** Claims are looked through this often even if no node has died: lapsed ones, or what a sweeper left behind, ms. */
const FULL_PASS_MS = 5_000;

/** How this config sweeps: fast enough for its leases, and no faster than needed. */
export function sweepOptions(config: Config): SweepOptions {
  const lease = leaseMs(config);
  const intervalMs = Math.min(SWEEP_MS.most, Math.max(SWEEP_MS.least, lease / 20));
  const stallMs = Math.min(STALL * intervalMs, lease / 2);
  return { intervalMs, stallMs, leaseMs: lease, graceMs: config.health.crashGrace };
}

export interface MeshSweepOptions {
  registry: NodeRegistry;
  putBack: () => Promise<Requeued[]>;
  /** Lets held tasks go on where what they wait for has come. */
  releaseHeld: () => Promise<unknown>;
  /** Those that this node serves. */
  pools: readonly string[];
  config: Config;
  log: Logger;
  onError: (error: unknown) => void;
  observer: NodeObserver;
}

/**
 * Watches over the other nodes: declares the dead dead, and puts their tasks back. Every node does this, so that there is
 * no leader to elect or to lose; together they sweep about once per interval, however many they are.
 */
export class MeshSweep {
  readonly #registry: NodeRegistry;
  readonly #putBack: () => Promise<Requeued[]>;
  readonly #releaseHeld: () => Promise<unknown>;
  readonly #pools: readonly string[];
  readonly #log: Logger;
  readonly #observer: NodeObserver;
  readonly #options: SweepOptions;
  readonly #loop: Periodic;
  #lastPass = performance.now();
  #due = false;

  constructor(options: MeshSweepOptions) {
    this.#registry = options.registry;
    this.#putBack = options.putBack;
    this.#releaseHeld = options.releaseHeld;
    this.#pools = options.pools;
    this.#log = options.log;
    this.#observer = options.observer;
    this.#options = sweepOptions(options.config);
    const { intervalMs } = this.#options;
    this.#loop = new Periodic({ intervalMs, work: () => this.#sweep(), onError: options.onError });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  async #sweep(): Promise<number> {
    // Whoever saw that a node's grace is nearly over comes back the moment it is, whoever else has swept meanwhile.
    const intervalMs = this.#due ? 0 : this.#options.intervalMs;
    const { nodes, unsettled, dueMs, held, deaths } = await this.#registry.sweep(
      { ...this.#options, intervalMs },
      this.#pools,
    );
    const usualMs = this.#options.intervalMs * Math.min(MAX_SHARE, Math.max(1, nodes / 2));
    this.#due = dueMs > 0 && dueMs * DUE_MARGIN <= usualMs;
    for (const { nodeId, incarnation, reason, silentMs } of deaths) {
      this.#log.warn({ deadNode: nodeId, deadIncarnation: incarnation, reason, silentMs }, 'node declared dead');
    }
    if (unsettled > 0 || performance.now() - this.#lastPass > FULL_PASS_MS) await this.#settle();
    if (held > 0) await this.#releaseHeld();
    return this.#due ? dueMs * DUE_MARGIN : usualMs;
  }

  /** Read first, put back, then settle: a death that comes in between waits for the next round. */
  async #settle(): Promise<void> {
    const owners = await this.#registry.unsettledDeaths();
    for (const { taskId, pool, from, reason } of await this.#putBack()) {
      this.#log.warn({ taskId, pool, from, reason }, 'task put back');
      this.#observer.handedOver(reason);
    }
    await this.#registry.settleDeaths(owners);
    this.#lastPass = performance.now();
  }
}
