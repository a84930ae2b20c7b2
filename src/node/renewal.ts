import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { Periodic } from './periodic.ts';

/** A claim is renewed this often within its life, so that three renewals may fail before it lapses. */
const RENEWALS_PER_LIFE = 4;
/** Life (ms) left on a claim at which its run is stopped: time to end a process group before others may start. */
const MAX_MARGIN_MS = 10_000;
const CHECKS_PER_LIFE = 20;

/**
 * Keeps the node's claims alive, independent of what the runs do. Runs whose claim is lost, or could not be renewed in
 * time because Redis is away, are stopped before another node may take their task.
 */
export class Renewal {
  readonly #loops: readonly ClaimLoop[];
  readonly #log: Logger;
  readonly #renew: Periodic;
  readonly #watch: Periodic;

  constructor(options: {
    loops: readonly ClaimLoop[];
    visibilityTimeoutMs: number;
    log: Logger;
    onError: (error: unknown) => void;
  }) {
    const { loops, visibilityTimeoutMs, log, onError } = options;
    this.#loops = loops;
    this.#log = log;
    const marginMs = Math.min(MAX_MARGIN_MS, visibilityTimeoutMs / 10);
    this.#renew = new Periodic({
      intervalMs: visibilityTimeoutMs / RENEWALS_PER_LIFE,
      onError,
      work: () => this.renewAll(),
    });
    this.#watch = new Periodic({
      intervalMs: Math.min(1_000, visibilityTimeoutMs / CHECKS_PER_LIFE),
      onError,
      work: async () => {
        for (const run of loops.flatMap((loop) => [...loop.runs])) {
          if (run.expiresWithin(marginMs)) run.stop('claim-lost');
        }
      },
    });
  }

  /**
   * Renews all claims now. After a reconnect, or a jump of Redis' clock, they may have lapsed though this node lives; the
   * sweeps of the others wait for this.
   *
   * @throws ClawmeshError `fenced`.
   */
  async renewAll(): Promise<void> {
    // Together and each for itself: one pool that can't be renewed must not let the claims of the others lapse.
    const renewed = await Promise.allSettled(this.#loops.map((loop) => renewLoop(loop, this.#log)));
    for (const pool of renewed) if (pool.status === 'rejected') throw pool.reason;
  }

  start(): void {
    this.#renew.start();
    this.#watch.start();
  }

  /** Does not wait for a renewal that hangs on an absent Redis. */
  stop(): void {
    void this.#renew.stop();
    void this.#watch.stop();
  }
}

async function renewLoop(loop: ClaimLoop, log: Logger): Promise<void> {
  const runs = [...loop.runs];
  const requestedAt = performance.now();
  const lost = new Set(await loop.queue.renew(runs.map((run) => run.claim)));
  for (const run of runs) {
    if (!lost.has(run.claim)) {
      run.renewed(requestedAt);
    } else if (loop.runs.has(run)) {
      log.warn({ taskId: run.claim.taskId }, 'claim lost, stopping the run');
      run.stop('claim-lost');
    }
  }
}
