import type { Claim } from '../domain/claim.ts';
import { messageOf } from '../domain/errors.ts';
import { isEligible, parseHoldReason } from '../domain/hold-reason.ts';
import { slotsOf } from '../domain/node.ts';
import type { Outcome } from '../domain/task.ts';
import { keepAwake } from '../platform/keep-awake.ts';
import type { HeldFor } from '../queue/bullmq/held-tasks.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import { AttemptRun, type NextOffer, type RunContext, type StopReason } from './attempt-run.ts';
import type { AuthBackoff } from './auth-backoff.ts';
import { ClaimLoop } from './claim-loop.ts';
import type { NodeContext } from './context.ts';
import type { GateBackoff } from './gate-backoff.ts';
import type { Gates } from './gates.ts';
import { InFlight } from './in-flight.ts';
import type { NodeProbe } from './node-probe.ts';
import type { Service } from './service.ts';
import { Slots } from './slots.ts';

export interface RunSetParts {
  readonly gates: Pick<Gates, 'open'>;
  readonly probe: Pick<NodeProbe, 'pressure'>;
  readonly auth: Pick<AuthBackoff, 'refused'>;
  /** Gates that open by trying one task at a time. */
  readonly backoffs: readonly GateBackoff[];
}

/**
 * All runs of a node: a claim loop per pool, and its runs. After {@link open} claims can be adopted; after the start
 * the node claims.
 */
export class RunSet implements Service {
  readonly name = 'claims';
  readonly loops: ClaimLoop[] = [];
  readonly #context: NodeContext;
  readonly #parts: RunSetParts;
  readonly #runContext: RunContext;
  readonly #slots: Slots;
  readonly #awake = keepAwake((error) =>
    this.#context.log.warn({ error: messageOf(error) }, 'this Mac may go to sleep while it runs tasks'),
  );
  readonly #inFlight = new InFlight();
  #fenced = false;

  constructor(context: NodeContext, parts: RunSetParts) {
    this.#context = context;
    this.#parts = parts;
    this.#runContext = { ...context, auth: parts.auth };
    const { settings, live, events } = context;
    this.#slots = new Slots({
      total: slotsOf(Object.values(settings.pools), settings.maxTasks),
      weightOf: (pool) => live.config.dispatch.weights[pool] ?? 1,
    });
    events.on('fenced', () => {
      this.#fenced = true;
      this.stopRuns('fenced');
    });
    events.on('drainExpired', () => this.stopRuns('release'));
    events.on('heldFor', (held) => this.#inFlight.run(() => this.#claimHeld(held)));
    events.on('gatesChanged', () => this.#inFlight.run(() => this.#notifyLoops()));
    // Waiting loops depend on the old dispatch strategy to wake them.
    events.on('configChanged', () => this.#inFlight.run(() => this.#interrupt()));
    events.on('runsChanged', () => this.#runsChanged());
  }

  /** Opens the queue of every pool, so that claims can be adopted and renewed. Nothing is claimed before the start. */
  async open(): Promise<void> {
    const { settings, backend, owner, redisClock, clock, log, events } = this.#context;
    for (const [pool, concurrency] of Object.entries(settings.pools)) {
      const queue = await backend.openQueue(pool, owner, () => redisClock.offset);
      this.loops.push(
        new ClaimLoop({
          queue,
          concurrency,
          slots: this.#slots,
          pressure: () => this.#parts.probe.pressure,
          clock,
          log,
          events,
          mayClaim: () => this.#mayClaim(),
          createRun: (claim, nextOffer, outcome) => this.#createRun(queue, claim, nextOffer, outcome),
        }),
      );
    }
  }

  start(): void {
    if (this.#inFlight.isOver) return;
    for (const loop of this.loops) loop.start();
  }

  /** Stops the runs, and releases their tasks unless this incarnation is fenced. */
  async stop(): Promise<void> {
    const ended = this.#inFlight.end();
    const stopped = this.stopClaiming();
    this.stopRuns(this.#fenced ? 'fenced' : 'release');
    this.#awake.release();
    await stopped;
    await ended;
    await this.idle();
  }

  async close(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.queue.close()));
  }

  get runs(): AttemptRun[] {
    return this.loops.flatMap((loop) => [...loop.runs]);
  }

  get count(): number {
    return this.loops.reduce((sum, { runs }) => sum + runs.size, 0);
  }

  /** Whether any pool waits for work. */
  get waitsForWork(): boolean {
    return this.loops.some((loop) => loop.waitsForWork);
  }

  /** Stops all runs, or those of one task. */
  stopRuns(reason: StopReason, taskId?: string): void {
    for (const run of this.runs) {
      if (taskId === undefined || run.claim.taskId === taskId) run.stop(reason);
    }
  }

  /** Resolves when no loop claims any more; runs continue. */
  async stopClaiming(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stopClaiming()));
  }

  async idle(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.idle()));
  }

  /** Runs claims whose reply was lost with the connection. */
  async recoverClaims(): Promise<void> {
    await this.#inFlight.run(async () => {
      for (const loop of this.loops) await loop.recover();
    });
  }

  async #interrupt(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.queue.interrupt()));
  }

  async #claimHeld(held: readonly HeldFor[]): Promise<void> {
    const { nodeId, settings } = this.#context;
    const self = { id: nodeId, labels: settings.labels, allow: settings.allow };
    for (const loop of this.loops) {
      const own = held.filter(
        ({ pool, why, node }) =>
          pool === loop.queue.pool && (node === nodeId || isEligible(parseHoldReason(why), self)),
      );
      if (own.length > 0) await loop.claimHeld(own.map(({ why }) => why));
    }
  }

  #createRun(queue: PoolQueue, claim: Claim, nextOffer: NextOffer, outcome: Outcome | undefined): AttemptRun {
    // A drill says nothing about OpenClaw.
    if (!claim.spec.probe && !outcome) for (const backoff of this.#parts.backoffs) backoff.began(claim.taskId);
    return new AttemptRun(this.#runContext, { claim, queue, nextOffer, outcome });
  }

  #mayClaim(): boolean {
    if (!this.#parts.gates.open) return false;
    const trying = this.#parts.backoffs.filter(({ isTrying }) => isTrying);
    if (trying.length === 0) return true;
    const running = this.runs.map(({ claim }) => claim.taskId);
    return trying.every((backoff) => backoff.mayBegin(running));
  }

  async #notifyLoops(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.gatesChanged()));
  }

  async #runsChanged(): Promise<void> {
    if (this.count > 0 && this.#context.settings.keepAwake) this.#awake.hold();
    else this.#awake.release();
    // While a backoff tries one task, a run in one pool decides whether the others may claim.
    if (this.#parts.backoffs.some(({ isTrying }) => isTrying)) await this.#inFlight.run(() => this.#notifyLoops());
  }
}
