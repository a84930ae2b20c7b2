import type { Config } from '../config/schema.ts';
import { secretValues } from '../config/secret-values.ts';
import type { Claim } from '../domain/claim.ts';
import { messageOf } from '../domain/errors.ts';
import { secretMasker } from '../domain/secrets.ts';
import { type Labels, mayRun } from '../domain/target.ts';
import type { Logger } from '../log/logger.ts';
import { keepAwake } from '../platform/keep-awake.ts';
import type { Targeted } from '../queue/held-tasks.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { Runner } from '../runners/runner.ts';
import { SimulateRunner } from '../runners/simulate.ts';
import { AttemptRun, type AttemptRunOptions, type StopReason } from './attempt-run.ts';
import { ClaimLoop } from './claim-loop.ts';
import type { Journal } from './journal.ts';

/** Drills cost no model tokens. */
const PROBE_RUNNER = new SimulateRunner();

export interface RunningOptions {
  readonly nodeId: string;
  readonly config: Config;
  readonly keepAwake: boolean;
  readonly labels: Labels;
  readonly runner: Runner;
  readonly journal: Journal;
  readonly log: Logger;
  readonly mayClaim: () => boolean;
  readonly onLoginRefused: AttemptRunOptions['onLoginRefused'];
  readonly onFenced: () => void;
}

/** All that runs on a node: a claim loop per pool, and their runs. */
export class Running {
  readonly loops: ClaimLoop[] = [];
  readonly #options: RunningOptions;
  readonly #mask: (text: string) => string;
  readonly #awake = keepAwake((error) =>
    this.#options.log.warn({ error: messageOf(error) }, 'this Mac may fall asleep while it works'),
  );

  constructor(options: RunningOptions) {
    this.#options = options;
    this.#mask = secretMasker(secretValues(options.config));
  }

  /** Adds a pool; its loop is started by the caller. */
  add(queue: PoolQueue, concurrency: number): void {
    const { log, mayClaim, onFenced } = this.#options;
    this.loops.push(
      new ClaimLoop({
        queue,
        concurrency,
        log,
        gatesOpen: mayClaim,
        onFenced,
        onRunsChanged: () => this.#stayAwake(),
        createRun: (claim, mayFetchNext, outcome) => this.#createRun(queue, claim, mayFetchNext, outcome),
      }),
    );
  }

  get runs(): AttemptRun[] {
    return this.loops.flatMap((loop) => [...loop.runs]);
  }

  /** Stops all runs, or those of one task. */
  stop(reason: StopReason, taskId?: string): void {
    for (const run of this.runs) {
      if (taskId === undefined || run.claim.taskId === taskId) run.stop(reason);
    }
  }

  /** Takes the tasks that this node may run, of those that are held for some nodes. */
  async takeHeld(targeted: readonly Targeted[]): Promise<void> {
    const { nodeId, labels } = this.#options;
    for (const loop of this.loops) {
      const own = targeted.filter(
        ({ pool, target }) => pool === loop.queue.pool && mayRun(target, { id: nodeId, labels }),
      );
      if (own.length > 0) await loop.takeHeld(own.map(({ target }) => target));
    }
  }

  /** Goes on with claims whose answer was lost with the connection. */
  async recoverClaims(): Promise<void> {
    for (const loop of this.loops) await loop.recover();
  }

  /** Resolves when no loop claims any more and all runs have ended. */
  async end(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stopClaiming().then(() => loop.idle())));
    this.#awake.release();
  }

  #createRun(
    queue: PoolQueue,
    claim: Claim,
    mayFetchNext: () => boolean,
    outcome: AttemptRunOptions['outcome'],
  ): AttemptRun {
    const { nodeId, config, runner, journal, log, onLoginRefused, onFenced } = this.#options;
    return new AttemptRun({
      claim,
      outcome,
      journal,
      queue,
      runner: claim.spec.probe ? PROBE_RUNNER : runner,
      nodeId,
      defaultTimeoutMs: config.queue.taskTimeout,
      defaultIdleTimeoutMs: config.queue.idleTimeout,
      visibilityTimeoutMs: config.queue.visibilityTimeout,
      mask: this.#mask,
      log,
      mayFetchNext,
      onLoginRefused,
      onFenced,
    });
  }

  #stayAwake(): void {
    if (this.#options.keepAwake && this.runs.length > 0) this.#awake.hold();
    else this.#awake.release();
  }
}
