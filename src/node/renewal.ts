import type { ClaimLoop } from './claim-loop.ts';
import type { NodeContext } from './context.ts';
import { InFlight } from './in-flight.ts';
import { Periodic } from './periodic.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';

/** Renewals of a claim within its visibility timeout: two in a row may fail before its run is stopped. */
const RENEWALS_PER_TIMEOUT = 4;
/**
 * Remaining time (ms) of a claim at which its run is stopped: enough to end a process group before another node may
 * start.
 */
const MAX_MARGIN_MS = 10_000;
const CHECKS_PER_TIMEOUT = 20;

/**
 * Renews the node's claims, independently of the runs themselves. A run whose claim is lost, or could not be renewed in
 * time because Redis is away, is stopped before another node may take its task.
 */
export class Renewal implements Service {
  readonly name = 'renewal';
  readonly #context: NodeContext;
  readonly #runs: Pick<RunSet, 'loops' | 'runs'>;
  readonly #renew: Periodic;
  readonly #watch: Periodic;
  readonly #inFlight = new InFlight();

  constructor(context: NodeContext, runs: Pick<RunSet, 'loops' | 'runs'>) {
    this.#context = context;
    this.#runs = runs;
    const { clock, live, onError } = context;
    const { visibilityTimeout } = live.config.queue;
    const marginMs = Math.min(MAX_MARGIN_MS, visibilityTimeout / 10);
    this.#renew = new Periodic({
      name: this.name,
      clock,
      intervalMs: visibilityTimeout / RENEWALS_PER_TIMEOUT,
      work: () => this.renewAll(),
      onError,
    });
    this.#watch = new Periodic({
      name: 'expiry',
      clock,
      intervalMs: Math.min(1_000, visibilityTimeout / CHECKS_PER_TIMEOUT),
      work: async () => {
        for (const run of this.#runs.runs) if (run.expiresWithin(marginMs)) run.stop('claim-lost');
      },
      onError,
    });
  }

  /**
   * Renews all claims now. After a reconnect, or a jump of Redis' clock, they may have lapsed although this node is
   * alive; the sweeps of other nodes wait for this.
   *
   * @throws ClawmeshError `fenced`.
   */
  async renewAll(): Promise<void> {
    await this.#inFlight.run(() => this.#renewAll());
  }

  async #renewAll(): Promise<void> {
    // Each pool independently: one that can't be renewed must not let the claims of the others lapse.
    const renewed = await Promise.allSettled(this.#runs.loops.map((loop) => this.#renewPool(loop)));
    for (const pool of renewed) if (pool.status === 'rejected') throw pool.reason;
  }

  start(): void {
    this.#renew.start();
    this.#watch.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#renew.stop(), this.#watch.stop(), this.#inFlight.end()]);
  }

  async #renewPool({ queue, runs }: ClaimLoop): Promise<void> {
    const before = [...runs];
    const requestedAt = this.#context.clock.monotonic();
    const lost = new Set(await queue.renew(before.map((run) => run.claim)));
    for (const run of before) {
      if (!lost.has(run.claim)) {
        run.renewed(requestedAt);
      } else if (runs.has(run)) {
        this.#context.log.warn({ taskId: run.claim.taskId }, 'claim lost, stopping the run');
        run.stop('claim-lost');
      }
    }
  }
}
