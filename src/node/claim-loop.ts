import type { Claim } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import type { Offer } from '../domain/dispatch.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import { formatHoldReason, sessionReason } from '../domain/hold-reason.ts';
import type { Outcome } from '../domain/task.ts';
import type { Logger } from '../log/logger.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { AttemptRun, NextOffer } from './attempt-run.ts';
import type { EventBus } from './event-bus.ts';
import { Signal } from './signal.ts';
import type { Slots } from './slots.ts';

/** Wait after a claim that failed for an unexpected reason, ms, so that a broken Redis isn't asked in a hot loop. */
const ERROR_PAUSE_MS = 1_000;

/**
 * Outcomes are remembered at least so long after their report, ms: Redis may forget its last two seconds, and take some
 * to come back.
 */
const REMEMBERED_MS = 30_000;
/** If there are fewer of them than this: more than a node reports in the two seconds that Redis may forget. */
const REMEMBERED_MAX = 2_000;

export interface ClaimLoopOptions {
  readonly queue: PoolQueue;
  readonly concurrency: number;
  /** Shared by all pools of the node. */
  readonly slots: Slots;
  /** See {@link Offer}. */
  readonly pressure: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventBus;
  /** Whether the node may claim: its gates, and what its own runs say of it. */
  readonly mayClaim: () => boolean;
  /** With an `outcome` there is no run, only that to report. */
  readonly createRun: (claim: Claim, nextOffer: NextOffer, outcome?: Outcome) => AttemptRun;
}

/**
 * Keeps one pool's slots busy. Only one claim waits in Redis at a time; a run that ends takes the next task in the same
 * round trip as its report, so that a busy pool needs no other.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #runs = new Set<AttemptRun>();
  readonly #changed = new Signal();
  /** The last outcomes that Redis has taken, by {@link nameOf} of their claim. */
  #reported = new Map<string, Outcome>();
  /** Those before them: deleting one by one cost a busy node more than all the rest it does for a task here. */
  #reportedBefore = new Map<string, Outcome>();
  #reportedSince = 0;
  #stopping = false;
  /** Reasons for which tasks are, or may be, held for this node. */
  readonly #heldTargets = new Set<string>();
  /** Held tasks and those in line take turns. */
  #heldIsNext = true;
  #waitsForWork = false;
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

  /** Whether it is blocked in Redis until there is work. */
  get waitsForWork(): boolean {
    return this.#waitsForWork;
  }

  /** The runs under way. */
  get runs(): ReadonlySet<AttemptRun> {
    return this.#runs;
  }

  /**
   * Goes on with a claim that this node's earlier incarnation held, or only delivers its outcome. May fill more slots
   * than there
   * are.
   */
  take(claim: Claim, outcome: Outcome | undefined): void {
    this.#options.slots.use(claim.pool);
    this.#start(claim, outcome);
  }

  /**
   * After a reconnect: goes on with claims that are ours though we do not know them. Either their answer was lost with
   * the
   * connection, or a Redis that was killed has forgotten its last second, and with it our report.
   */
  async recover(): Promise<void> {
    for (const claim of await this.#options.queue.recover()) {
      const { taskId } = claim;
      const outcome = this.#reported.get(nameOf(claim)) ?? this.#reportedBefore.get(nameOf(claim));
      if (outcome) {
        this.#options.log.warn({ taskId }, 'Redis has forgotten the report of this run; it is sent again');
        this.take(claim, outcome);
      } else {
        this.#options.log.warn({ taskId }, 'the answer to this claim was lost; the run begins now');
        this.#options.slots.use(claim.pool);
        await this.#accept(claim);
      }
    }
  }

  /** There are tasks that are held for these reasons, and for this node: a free slot is for them. */
  async claimHeld(targets: readonly string[]): Promise<void> {
    const before = this.#heldTargets.size;
    for (const target of targets) this.#heldTargets.add(target);
    if (this.#heldTargets.size === before) return;
    this.#changed.notify();
    if (this.#waitsForWork) await this.#options.queue.interrupt();
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
    this.#options.slots.cancel(this.#options.queue.pool);
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
        if (await this.#mayTakeSlot()) await this.#fillSlot();
      } catch (error) {
        if (hasCode(error, 'fenced')) {
          this.#options.events.emit('fenced');
          return;
        }
        log.warn({ pool: queue.pool, error: messageOf(error) }, 'claim failed');
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    const over = new AbortController();
    const pause = this.#options.clock.sleep(ERROR_PAUSE_MS, over.signal);
    await Promise.race([pause, this.#changed.wait()]);
    over.abort();
  }

  /** Waits until there may be a task, and takes a slot for it. */
  async #mayTakeSlot(): Promise<boolean> {
    const { queue, slots } = this.#options;
    if (this.#heldTargets.size === 0) {
      this.#waitsForWork = true;
      try {
        if (!(await queue.waitForWork())) return false;
      } finally {
        this.#waitsForWork = false;
      }
    }
    if (slots.take(queue.pool)) return true;
    // Other pools of this node have its slots; other nodes may have one.
    await queue.forwardWakeup();
    return !this.#stopping && (await slots.turn(queue.pool));
  }

  /** Fills the slot that was just taken, or gives it back. */
  async #fillSlot(): Promise<void> {
    let claim: Claim | undefined;
    try {
      if (this.#mayClaim()) claim = await this.#claim();
    } finally {
      if (!claim) this.#options.slots.release();
    }
    if (claim) await this.#accept(claim);
  }

  async #claim(): Promise<Claim | undefined> {
    const { queue } = this.#options;
    const [target] = this.#heldTargets;
    const heldIsNext = this.#heldIsNext;
    this.#heldIsNext = true;
    if (target === undefined) return queue.claim(this.#offer());
    const inLine = heldIsNext ? undefined : await queue.claim(this.#offer());
    if (inLine) return inLine;
    // What is held for it from here on adds it again. Reasons take turns, so that none waits for the end of another.
    this.#heldTargets.delete(target);
    const claim = await queue.claimHeld(target);
    if (!claim) return undefined;
    this.#heldTargets.add(target);
    this.#heldIsNext = false;
    return claim;
  }

  /**
   * What the node has to offer, with a slot taken for the task that it asks for; `ending`: it's that of a run that
   * ends.
   */
  #offer(ending = 0): Offer {
    const { slots, concurrency, pressure } = this.#options;
    return {
      free: Math.max(1, Math.min(concurrency - this.#runs.size + ending, slots.free + 1)),
      running: Math.max(0, slots.inUse - 1),
      slots: slots.total,
      pressure: pressure(),
    };
  }

  #mayClaim(): boolean {
    return !this.#stopping && this.#options.mayClaim();
  }

  /** Begins the run of a claim whose slot is taken. */
  async #accept(claim: Claim): Promise<void> {
    // A gate may have closed, or the stop come, while the claim was on its way.
    if (this.#mayClaim()) return this.#start(claim);
    this.#options.slots.release();
    await this.#options.queue.release(claim, 'drain');
  }

  #start(claim: Claim, outcome?: Outcome): void {
    const { queue, slots, log } = this.#options;
    const run = this.#options.createRun(claim, () => this.#nextOffer(claim), outcome);
    this.#runs.add(run);
    this.#options.events.emit('runsChanged');
    void run
      .run()
      .then(async (next) => {
        this.#runs.delete(run);
        if (run.delivered) this.#remember(claim, run.delivered);
        if (!next) return;
        slots.use(queue.pool);
        await this.#accept(next);
      })
      .catch((error: unknown) => {
        this.#runs.delete(run);
        log.error({ taskId: claim.taskId, error: messageOf(error) }, 'run broke off; its claim will lapse');
      })
      .finally(() => {
        slots.release();
        const session = sessionReason(claim.spec);
        if (session !== undefined) void this.claimHeld([formatHoldReason(session)]).catch(() => {});
        this.#changed.notify();
        this.#options.events.emit('runsChanged');
      });
  }

  /** What is offered for the slot of a run that ends, where the next task of this pool may have it at once. */
  #nextOffer(ending: Claim): Offer | undefined {
    const { concurrency, slots } = this.#options;
    const mayKeep =
      this.#mayClaim() &&
      this.#heldTargets.size === 0 &&
      // The next of its session may wait for just this.
      ending.spec.session === undefined &&
      this.#runs.size <= concurrency &&
      slots.mayKeep(ending.pool);
    return mayKeep ? this.#offer(1) : undefined;
  }

  #remember(claim: Claim, outcome: Outcome): void {
    const now = this.#options.clock.monotonic();
    if (this.#reported.size >= REMEMBERED_MAX || now - this.#reportedSince > REMEMBERED_MS) {
      this.#reportedBefore = this.#reported;
      this.#reported = new Map();
      this.#reportedSince = now;
    }
    this.#reported.set(nameOf(claim), outcome);
  }
}

/** Task and token together: a Redis that has lost its last second may give a token that it has seen to another task. */
function nameOf({ taskId, token }: Claim): string {
  return `${taskId} ${token}`;
}
