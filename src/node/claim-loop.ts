import { setTimeout as sleep } from 'node:timers/promises';
import type { Claim } from '../domain/claim.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import type { Outcome } from '../domain/task.ts';
import type { Logger } from '../log/logger.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { AttemptRun } from './attempt-run.ts';
import { Signal } from './signal.ts';

/** Wait after a claim that failed for an unexpected reason, ms, so that a broken Redis isn't asked in a hot loop. */
const ERROR_PAUSE_MS = 1_000;

/** Outcomes are remembered so long after their report, ms: Redis may forget its last two seconds, and take some to come back. */
const REMEMBERED_MS = 30_000;

export interface ClaimLoopOptions {
  readonly queue: PoolQueue;
  readonly concurrency: number;
  readonly log: Logger;
  readonly gatesOpen: () => boolean;
  readonly createRun: (claim: Claim, mayFetchNext: () => boolean, outcome?: Outcome) => AttemptRun;
  readonly onFenced: () => void;
  /** A run has begun or ended. */
  readonly onRunsChanged: () => void;
}

/**
 * Keeps one pool's slots busy. Only one claim waits in Redis at a time; a run that ends takes the next task in the same
 * round trip as its report, so that a busy pool needs no other.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #runs = new Set<AttemptRun>();
  readonly #changed = new Signal();
  /** The last outcomes that Redis has taken, by lock token. */
  readonly #reported = new Map<string, { readonly outcome: Outcome; readonly at: number }>();
  #stopping = false;
  /** Targets of which there are, or may be, tasks for this node. */
  readonly #heldTargets: string[] = [];
  #claiming = false;
  #loop: Promise<void> | undefined;

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
  }

  get queue(): PoolQueue {
    return this.#options.queue;
  }

  get concurrency(): number {
    return this.#options.concurrency;
  }

  /** The runs under way. */
  get runs(): ReadonlySet<AttemptRun> {
    return this.#runs;
  }

  /**
   * Goes on with a claim that this node's former life held, or only delivers its outcome. May fill more slots than there
   * are.
   */
  take(claim: Claim, outcome: Outcome | undefined): void {
    this.#start(claim, outcome);
  }

  /**
   * After a reconnect: goes on with claims that are ours though we do not know them. Either their answer was lost with the
   * connection, or a Redis that was killed has forgotten its last second, and with it our report.
   */
  async recover(): Promise<void> {
    for (const claim of await this.#options.queue.recover()) {
      const { taskId } = claim;
      const outcome = this.#reported.get(claim.token)?.outcome;
      if (outcome) {
        this.#options.log.warn({ taskId }, 'Redis has forgotten the report of this run; it is sent again');
        this.#start(claim, outcome);
      } else {
        this.#options.log.warn({ taskId }, 'the answer to this claim was lost; the run begins now');
        await this.#accept(claim);
      }
    }
  }

  /** There are tasks with these targets, which this node may run: the next free slot is for them. */
  async takeHeld(targets: readonly string[]): Promise<void> {
    const fresh = targets.filter((target) => !this.#heldTargets.includes(target));
    if (fresh.length === 0) return;
    this.#heldTargets.push(...fresh);
    this.#changed.notify();
    if (this.#claiming) await this.#options.queue.interrupt();
  }

  start(): void {
    this.#loop ??= this.#claimForever();
  }

  /** To be called when a gate has opened or closed: a closed gate ends the wait in Redis. */
  async gatesChanged(): Promise<void> {
    this.#changed.notify();
    if (!this.#mayClaim()) await this.#options.queue.interrupt();
  }

  /** Takes no more tasks; runs go on. Resolves when no claim is under way any more. */
  async stopClaiming(): Promise<void> {
    this.#stopping = true;
    this.#changed.notify();
    await this.#options.queue.interrupt();
    await this.#loop;
  }

  /** Resolves when all runs have ended. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await this.#changed.wait();
  }

  async #claimForever(): Promise<void> {
    const { queue, log } = this.#options;
    while (!this.#stopping) {
      if (!this.#mayClaim() || this.#runs.size >= this.#options.concurrency) {
        await this.#changed.wait();
        continue;
      }
      try {
        const [target] = this.#heldTargets;
        const claim = target === undefined ? await this.#claim() : await this.#claimHeld(target);
        if (claim) await this.#accept(claim);
      } catch (error) {
        if (hasCode(error, 'fenced')) {
          this.#options.onFenced();
          return;
        }
        log.warn({ pool: queue.pool, error: messageOf(error) }, 'claim failed');
        await Promise.race([sleep(ERROR_PAUSE_MS), this.#changed.wait()]);
      }
    }
  }

  async #claim(): Promise<Claim | undefined> {
    this.#claiming = true;
    try {
      return await this.#options.queue.claim();
    } finally {
      this.#claiming = false;
    }
  }

  async #claimHeld(target: string): Promise<Claim | undefined> {
    const claim = await this.#options.queue.claimHeld(target);
    if (!claim) this.#heldTargets.shift();
    return claim;
  }

  #mayClaim(): boolean {
    return !this.#stopping && this.#options.gatesOpen();
  }

  async #accept(claim: Claim): Promise<void> {
    // A gate may have closed, or the stop come, while the claim was on its way.
    if (this.#mayClaim()) this.#start(claim);
    else await this.#options.queue.handBack(claim, 'drain');
  }

  #start(claim: Claim, outcome?: Outcome): void {
    const mayFetchNext = () =>
      this.#mayClaim() && this.#heldTargets.length === 0 && this.#runs.size <= this.#options.concurrency;
    const run = this.#options.createRun(claim, mayFetchNext, outcome);
    this.#runs.add(run);
    this.#options.onRunsChanged();
    void run
      .run()
      .then(async (next) => {
        this.#runs.delete(run);
        if (run.delivered) this.#remember(claim.token, run.delivered);
        if (next) await this.#accept(next);
      })
      .catch((error: unknown) => {
        this.#runs.delete(run);
        this.#options.log.error(
          { taskId: claim.taskId, error: messageOf(error) },
          'run broke off; its claim will lapse',
        );
      })
      .finally(() => {
        this.#changed.notify();
        this.#options.onRunsChanged();
      });
  }

  #remember(token: string, outcome: Outcome): void {
    const now = performance.now();
    for (const [old, { at }] of this.#reported) if (now - at > REMEMBERED_MS) this.#reported.delete(old);
    this.#reported.set(token, { outcome, at: now });
  }
}
