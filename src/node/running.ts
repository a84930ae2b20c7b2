import type { LiveConfig } from '../config/live.ts';
import type { NodeConfig } from '../config/node-settings.ts';
import { secretValues } from '../config/secret-values.ts';
import type { Claim } from '../domain/claim.ts';
import { messageOf } from '../domain/errors.ts';
import { isEligible, parseHoldReason } from '../domain/hold-reason.ts';
import { slotsOf } from '../domain/node.ts';
import { type Mask, secretMasker } from '../domain/secrets.ts';
import type { Logger } from '../log/logger.ts';
import { systemClock } from '../platform/clock.ts';
import { keepAwake } from '../platform/keep-awake.ts';
import type { HeldFor } from '../queue/bullmq/held-tasks.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { Runner } from '../runners/runner.ts';
import { SimulateRunner } from '../runners/simulate.ts';
import { AttemptRun, type AttemptRunOptions, type StopReason } from './attempt-run.ts';
import { ClaimLoop } from './claim-loop.ts';
import type { GateBackoff } from './gate-backoff.ts';
import type { Journal } from './journal.ts';
import type { NodeObserver } from './observer.ts';
import { Slots } from './slots.ts';

/** Drills cost no model tokens. */
const PROBE_RUNNER = new SimulateRunner({ clock: systemClock });

export interface RunningOptions {
  readonly nodeId: string;
  readonly live: LiveConfig;
  readonly settings: NodeConfig;
  readonly pressure: () => number;
  readonly runner: Runner;
  readonly journal: Journal;
  readonly log: Logger;
  readonly mayClaim: () => boolean;
  /** Gates that open by trying one task at a time. */
  readonly backoffs: readonly GateBackoff[];
  readonly observer: NodeObserver;
  readonly onLoginRefused: AttemptRunOptions['onLoginRefused'];
  readonly onOutcome: NonNullable<AttemptRunOptions['onOutcome']>;
  readonly onFenced: () => void;
  /** A run has begun or ended, and something runs. */
  readonly onWork: () => void;
}

/** All that runs on a node: a claim loop per pool, and their runs. */
export class Running {
  readonly loops: ClaimLoop[] = [];
  /** Takes secrets out of what OpenClaw says. */
  readonly mask: Mask;
  readonly #options: RunningOptions;
  readonly #slots: Slots;
  readonly #maskAnswer: Mask;
  readonly #awake = keepAwake((error) =>
    this.#options.log.warn({ error: messageOf(error) }, 'this Mac may fall asleep while it works'),
  );

  constructor(options: RunningOptions) {
    this.#options = options;
    const { pools, maxTasks } = options.settings;
    this.#slots = new Slots({
      total: slotsOf(Object.values(pools), maxTasks),
      weightOf: (pool) => options.live.config.dispatch.weights[pool] ?? 1,
    });
    const secrets = secretValues(options.live.config);
    this.mask = secretMasker(secrets);
    this.#maskAnswer = secretMasker(secrets, 'answer');
  }

  /** Adds a pool; its loop is started by the caller. */
  add(queue: PoolQueue, concurrency: number): void {
    const { log, onFenced, pressure } = this.#options;
    this.loops.push(
      new ClaimLoop({
        queue,
        concurrency,
        slots: this.#slots,
        pressure,
        log,
        gatesOpen: () => this.#mayClaim(),
        onFenced,
        onRunsChanged: () => this.#runsChanged(),
        createRun: (claim, nextOffer, outcome) => this.#createRun(queue, claim, nextOffer, outcome),
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
  async takeHeld(held: readonly HeldFor[]): Promise<void> {
    const { nodeId, settings } = this.#options;
    const self = { id: nodeId, labels: settings.labels, allow: settings.allow };
    for (const loop of this.loops) {
      const own = held.filter(
        ({ pool, why, node }) =>
          pool === loop.queue.pool && (node === nodeId || isEligible(parseHoldReason(why), self)),
      );
      if (own.length > 0) await loop.takeHeld(own.map(({ why }) => why));
    }
  }

  /** Another node has let go of a task, `<pool> <why>`, that is for this one. */
  async takeHeldHere(held: string): Promise<void> {
    const [pool = '', why = ''] = held.split(' ');
    await this.takeHeld([{ pool, why, node: this.#options.nodeId }]);
  }

  /** Makes all loops that wait for work ask anew. */
  async interrupt(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.queue.interrupt()));
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
    nextOffer: AttemptRunOptions['nextOffer'],
    outcome: AttemptRunOptions['outcome'],
  ): AttemptRun {
    const { nodeId, live, runner, journal, log, observer, onLoginRefused, onOutcome, onFenced } = this.#options;
    const { config } = live;
    // Drills say nothing about OpenClaw.
    const watched = !claim.spec.probe;
    if (watched && !outcome) for (const backoff of this.#options.backoffs) backoff.began(claim.taskId);
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
      mask: this.mask,
      maskAnswer: this.#maskAnswer,
      log,
      observer,
      nextOffer,
      onLoginRefused,
      onOutcome: watched ? onOutcome : undefined,
      onFenced,
    });
  }

  #mayClaim(): boolean {
    if (!this.#options.mayClaim()) return false;
    const trying = this.#options.backoffs.filter(({ isTrying }) => isTrying);
    if (trying.length === 0) return true;
    const running = this.runs.map(({ claim }) => claim.taskId);
    return trying.every((backoff) => backoff.mayBegin(running));
  }

  #runsChanged(): void {
    // Whether one loop may claim hangs on what runs in the others, too.
    if (this.#options.backoffs.some(({ isTrying }) => isTrying)) {
      for (const loop of this.loops) void loop.gatesChanged().catch(() => {});
    }
    const works = this.loops.some(({ runs }) => runs.size > 0);
    if (works) this.#options.onWork();
    if (works && this.#options.settings.keepAwake) this.#awake.hold();
    else this.#awake.release();
  }
}
