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

/** Wait after an unexpected claim error, ms, so that the node does not query a broken Redis in a hot loop. */
const ERROR_PAUSE_MS = 1_000;

/**
 * Minimum time to remember reported outcomes, ms. Redis may forget its last two seconds and take some time to return.
 */
const REMEMBERED_MS = 30_000;
/**
 * Number of outcomes at which older ones are dropped sooner: more than a node reports in the two seconds that Redis may
 * forget.
 */
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
  /** Whether the node may claim, by its gates and by the state of its own runs. */
  readonly mayClaim: () => boolean;
  /** With an `outcome`, the run only reports it. */
  readonly createRun: (claim: Claim, nextOffer: NextOffer, outcome?: Outcome) => AttemptRun;
}

/**
 * Keeps one pool's slots busy. Only one claim waits in Redis at a time. A run that ends takes the next task in the same
 * round trip as its report, so a busy pool needs no other request.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #runs = new Set<AttemptRun>();
  readonly #changed = new Signal();
  /** The last outcomes that Redis accepted, by {@link nameOf} of their claim. */
  #reported = new Map<string, Outcome>();
  /**
   * The outcomes before those. Two maps that rotate are far cheaper on a busy node than deleting entries one by one.
   */
  #reportedBefore = new Map<string, Outcome>();
  #reportedSince = 0;
  #stopping = false;
  /** Hold reasons under which tasks are, or may be, waiting for this node. */
  readonly #heldTargets = new Set<string>();
  /** Held tasks and tasks in line take turns. */
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

  /** Whether the loop is blocked in Redis until there is work. */
  get waitsForWork(): boolean {
    return this.#waitsForWork;
  }

  get runs(): ReadonlySet<AttemptRun> {
    return this.#runs;
  }

  /**
   * Resumes a claim of this node's earlier incarnation, or only delivers its outcome. May use more slots than the node
   * has.
   */
  take(claim: Claim, outcome: Outcome | undefined): void {
    this.#options.slots.use(claim.pool);
    this.#start(claim, outcome);
  }

  /**
   * After a reconnect, resumes claims that belong to this incarnation but that it does not know. Either the connection
   * dropped before the reply, or a killed Redis has forgotten its last second, including our report.
   */
  async recover(): Promise<void> {
    for (const claim of await this.#options.queue.recover()) {
      const { taskId } = claim;
      const outcome = this.#reported.get(nameOf(claim)) ?? this.#reportedBefore.get(nameOf(claim));
      if (outcome) {
        this.#options.log.warn({ taskId }, 'Redis has lost the report of this run; sending it again');
        this.take(claim, outcome);
      } else {
        this.#options.log.warn({ taskId }, 'the reply to this claim was lost; the run starts now');
        this.#options.slots.use(claim.pool);
        await this.#accept(claim);
      }
    }
  }

  /** Tasks are held for these reasons that this node may run, so a free slot is used for them. */
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

  /** Called when a gate has opened or closed: a closed gate ends the wait in Redis. */
  async gatesChanged(): Promise<void> {
    this.#changed.notify();
    if (!this.#mayClaim()) await this.#options.queue.interrupt();
  }

  /** Takes no more tasks; runs continue. Resolves when no claim is under way. */
  async stopClaiming(): Promise<void> {
    this.#stopping = true;
    this.#changed.notify();
    this.#options.slots.cancel(this.#options.queue.pool);
    await this.#options.queue.interrupt();
    await this.#loop;
  }

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
    // This node's other pools use all its slots, but another node may have a free one.
    await queue.forwardWakeup();
    return !this.#stopping && (await slots.turn(queue.pool));
  }

  /** Fills the slot just taken, or releases it. */
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
    // A later `claimHeld` adds the reason again. Reasons take turns, so that none waits until another is exhausted.
    this.#heldTargets.delete(target);
    const claim = await queue.claimHeld(target);
    if (!claim) return undefined;
    this.#heldTargets.add(target);
    this.#heldIsNext = false;
    return claim;
  }

  /**
   * The node's offer, with a slot already taken for the requested task; `ending` is 1 if that slot belongs to an
   * ending run.
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
    // A gate may have closed, or a stop begun, while the claim was under way.
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
        log.error(
          { taskId: claim.taskId, error: messageOf(error) },
          'run ended with an internal error; its claim will lapse',
        );
      })
      .finally(() => {
        slots.release();
        const session = sessionReason(claim.spec);
        if (session !== undefined) void this.claimHeld([formatHoldReason(session)]).catch(() => {});
        this.#changed.notify();
        this.#options.events.emit('runsChanged');
      });
  }

  /** The offer for the slot of an ending run, if the next task of this pool may use it at once. */
  #nextOffer(ending: Claim): Offer | undefined {
    const { concurrency, slots } = this.#options;
    const mayKeep =
      this.#mayClaim() &&
      this.#heldTargets.size === 0 &&
      // The next task of its session may wait for this very run.
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

/** Task and token together: a Redis that has lost its last second may reuse a token for another task. */
function nameOf({ taskId, token }: Claim): string {
  return `${taskId} ${token}`;
}
