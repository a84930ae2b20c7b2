import type { Claim } from '../domain/claim.ts';
import type { Offer } from '../domain/dispatch.ts';
import { ERROR_RULES, type ErrorKind } from '../domain/error-kind.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import { maskedLine } from '../domain/secrets.ts';
import { keptResult, type Outcome, type TaskResult, taskError } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { Logger } from '../log/logger.ts';
import type { PoolQueue, ReportResult } from '../queue/task-queue.ts';
import { isRefusal } from '../redis/refusal.ts';
import type { RunEvent, RunResult } from '../runners/runner.ts';
import { SimulateRunner } from '../runners/simulate.ts';
import type { AuthBackoff } from './auth-backoff.ts';
import type { NodeContext } from './context.ts';
import type { RunEnd } from './observer.ts';
import { RunLog } from './run-log.ts';

/** Why a run is stopped before its end. */
export type StopReason = 'deadline' | 'idle' | 'cancelled' | 'release' | 'claim-lost' | 'fenced';

/** Longest error message that is kept, in characters. */
const MAX_ERROR = 2_000;
/** Redis replies to a report within milliseconds; after this long it is considered away, ms. */
const JOURNAL_AFTER_MS = 1_000;
/** Wait before a refused report is sent again: doubles from the first to the second, ms. */
const REPORT_BACKOFF_MS = { first: 100, max: 2_000 };
/** After this many refusals, the next would be the same; with the back-off that is one and a half seconds. */
const MAX_REFUSALS = 5;

/** How a request ended: Redis accepted it, the claim is no longer this node's, or Redis would refuse it every time. */
type Sent<T> =
  | { readonly end: 'taken'; readonly answer: T }
  | { readonly end: 'void' }
  | { readonly end: 'refused'; readonly error: unknown };

const SETTLED: Readonly<Record<ReportResult, string>> = {
  completed: 'task completed',
  failed: 'task failed',
  cancelled: 'task cancelled',
  retry: 'attempt failed, the task will be retried',
  held: 'the provider is failing, the task is held',
};

/** Returns the offer for the slot of an ending run; undefined if no task may follow at once. */
export type NextOffer = () => Offer | undefined;

/** The context that all runs of an incarnation share. */
export interface RunContext
  extends Pick<
    NodeContext,
    'nodeId' | 'live' | 'clock' | 'log' | 'journal' | 'observer' | 'events' | 'runner' | 'masks'
  > {
  readonly auth: Pick<AuthBackoff, 'refused'>;
}

export interface ClaimedRun {
  readonly claim: Claim;
  readonly queue: PoolQueue;
  readonly nextOffer: NextOffer;
  /** Set if the run ended in an earlier incarnation, so that only its outcome is left to deliver. */
  readonly outcome?: Outcome | undefined;
}

/** One attempt of one task on this node, from the claim to the report. */
export class AttemptRun {
  readonly claim: Claim;
  readonly #context: RunContext;
  readonly #run: ClaimedRun;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  /** Monotonic time (ms) until which the claim is certain to hold, counted from the start of the claiming request. */
  #validUntil: number;
  readonly #runLog: RunLog;
  #delivered: Outcome | undefined;

  constructor(context: RunContext, run: ClaimedRun) {
    const { claim, queue } = run;
    this.claim = claim;
    this.#context = context;
    this.#run = run;
    const { clock, masks, live } = context;
    this.#log = context.log.child({ taskId: claim.taskId, attempt: claim.attempt });
    this.#validUntil = clock.monotonic() + live.config.queue.visibilityTimeout;
    this.#runLog = new RunLog({ claim, queue, clock, log: this.#log, mask: masks.said });
  }

  /** The outcome that Redis has accepted. */
  get delivered(): Outcome | undefined {
    return this.#delivered;
  }

  /** Stops the run; the first reason counts. */
  stop(reason: StopReason): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }

  /** Records that a request begun at this monotonic time (ms) renewed the claim. */
  renewed(requestedAt: number): void {
    this.#validUntil = requestedAt + this.#context.live.config.queue.visibilityTimeout;
  }

  /** Whether another node may take the task within `marginMs` because the claim could not be renewed. */
  expiresWithin(marginMs: number): boolean {
    return this.#context.clock.monotonic() + marginMs >= this.#validUntil;
  }

  /** Runs the task and reports; resolves with the slot's next claim, if the reply to the report contains one. */
  async run(): Promise<Claim | undefined> {
    const { claim } = this;
    const { clock, observer } = this.#context;
    if (this.#run.outcome) return this.#settle(this.#run.outcome, 0);
    this.#log.debug({ pool: claim.pool, handovers: claim.handovers }, 'task claimed');
    observer.claimed(claim);
    const startedAt = clock.monotonic();
    const deadline = clock.timer(this.#timeoutMs, () => this.stop('deadline'));
    const idle = clock.timer(this.#idleTimeoutMs, () => this.stop('idle'));
    const outcome = await this.#runTask((event) => {
      idle.refresh();
      this.#runLog.record(event);
    });
    deadline.stop();
    idle.stop();
    // Sent before the report on the same connection. Not awaited, since Redis may be away for long.
    void this.#runLog.end();
    return this.#settle(outcome, Math.round(clock.monotonic() - startedAt));
  }

  /** The attempt's deadline, ms. */
  get #timeoutMs(): number {
    return this.claim.spec.timeoutMs ?? this.#context.live.config.queue.taskTimeout;
  }

  /** Longest silence of the run, ms. */
  get #idleTimeoutMs(): number {
    return this.claim.spec.idleTimeoutMs ?? this.#context.live.config.queue.idleTimeout;
  }

  async #runTask(onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const { claim } = this;
    const { nodeId, clock } = this.#context;
    const { queue } = this.#run;
    // Drills cost no model tokens.
    const runner = claim.spec.probe ? new SimulateRunner({ clock }) : this.#context.runner;
    const { taskId, attempt, handovers, holds, previousEnd, resumes, spec } = claim;
    const timeoutMs = this.#timeoutMs;
    const request = { taskId, attempt, handovers, holds, previousEnd, nodeId, spec, timeoutMs, resumes };
    const missing = (error: unknown) => {
      if (hasCode(error, 'not-found') || hasCode(error, 'usage')) return error;
      throw error;
    };
    const filled = await this.#send(() => queue.renderMessage(claim).catch(missing), this.#abort.signal);
    if (filled.end === 'taken' && typeof filled.answer === 'string') {
      return runner.run({ ...request, spec: { ...claim.spec, message: filled.answer } }, this.#abort.signal, onEvent);
    }
    // A run that an earlier incarnation began must not continue.
    if (resumes !== undefined) await runner.run(request, AbortSignal.abort(), onEvent);
    if (filled.end === 'taken') return { ok: false, error: taskError('invalid', messageOf(filled.answer)) };
    return { ok: false, error: taskError('unknown', filled.end === 'refused' ? messageOf(filled.error) : 'stopped') };
  }

  async #settle(outcome: RunResult, ranMs: number): Promise<Claim | undefined> {
    const reason = this.#abort.signal.aborted ? (this.#abort.signal.reason as StopReason) : undefined;
    if (reason === 'fenced' || reason === 'claim-lost') {
      this.#log.warn({ ranMs, reason }, 'run stopped; its outcome does not count');
      this.#ended('void', ranMs);
      return undefined;
    }
    const notBegun = 'begun' in outcome && reason === undefined;
    if (notBegun) this.#log.warn({ error: outcome.error.message }, 'run not started; releasing the task');
    if (notBegun || (reason === 'release' && !outcome.ok)) {
      const sent = await this.#send(() => this.#run.queue.release(this.claim, 'drain'));
      const done = sent.end === 'taken' && sent.answer;
      this.#log.info({ ranMs }, done ? 'task released' : 'nothing to release: the claim is lost');
      this.#ended(done ? 'released' : 'void', ranMs);
      return undefined;
    }
    const final: Outcome = outcome.ok
      ? { ok: true, result: this.#masked(keptResult(outcome.result)) }
      : this.#explained(outcome, reason);
    // An outcome of an earlier incarnation is old news, and a drill says nothing about OpenClaw.
    if (!this.#run.outcome && !this.claim.spec.probe)
      this.#context.events.emit('runEnded', { claim: this.claim, outcome: final });
    if (!final.ok && ERROR_RULES[final.error.kind].reassigned && (await this.#reassign(final.error.message, ranMs)))
      return undefined;
    return this.#deliver(final, ranMs);
  }

  #ended(end: RunEnd, ranMs: number, result?: TaskResult): void {
    const { observer } = this.#context;
    observer.ended(this.claim, end, ranMs, result);
    if (end === 'released') observer.handedOver('drain');
  }

  #masked(result: TaskResult): TaskResult {
    return { ...result, text: this.#context.masks.answer(result.text) };
  }

  /** For a stopped run, the outcome is the reason for the stop and not the runner's own error. */
  #explained(outcome: Outcome & { ok: false }, reason: StopReason | undefined): Outcome & { ok: false } {
    const failed = (kind: ErrorKind, message: string) => ({ ok: false as const, error: taskError(kind, message) });
    if (reason === 'cancelled') return failed('cancelled', 'cancelled while it ran');
    if (reason === 'deadline') return failed('timeout', `not finished after ${humanDuration(this.#timeoutMs)}`);
    if (reason === 'idle') return failed('timeout', `no sign of life for ${humanDuration(this.#idleTimeoutMs)}`);
    return {
      ok: false,
      error: { ...outcome.error, message: maskedLine(this.#context.masks.said, outcome.error.message, MAX_ERROR) },
    };
  }

  /** Reassigns the task to a node whose login the provider may accept. @returns false if there is none. */
  async #reassign(message: string, ranMs: number): Promise<boolean> {
    const { claim } = this;
    const { nodeId, auth } = this.#context;
    const { queue } = this.#run;
    const another = await auth.refused(claim, message).catch(() => false);
    if (!another || (claim.refusedOn !== null && claim.refusedOn !== nodeId)) return false;
    const sent = await this.#send(() => queue.reassign(claim, `auth on ${nodeId}: ${message}`));
    if (sent.end === 'refused' || (sent.end === 'taken' && !sent.answer)) return false;
    if (sent.end === 'taken') this.#log.warn({ error: message }, 'login refused; another node gets the task');
    this.#ended(sent.end === 'taken' ? 'reassigned' : 'void', ranMs);
    return true;
  }

  /**
   * Reports the outcome to Redis, and counts the run once Redis has accepted it. If Redis can't store the outcome, the
   * journal keeps it and the task fails with the reason. Retrying forever would only block the slot.
   */
  async #deliver(outcome: Outcome, ranMs: number): Promise<Claim | undefined> {
    const { claim } = this;
    const { journal } = this.#context;
    const { queue } = this.#run;
    let final = outcome;
    let sent = await this.#report(final);
    if (sent.end === 'refused') {
      const error = messageOf(sent.error);
      this.#log.error({ error }, "Redis can't store the outcome: the journal keeps it, and the task fails");
      journal.discard(claim, outcome);
      final = {
        ok: false,
        error: { ...taskError('unknown', `Redis can't store the outcome: ${error}`), retryable: false },
      };
      sent = await this.#send(() => queue.report(claim, final));
    }
    if (sent.end === 'taken') {
      const { settled, next } = sent.answer;
      this.#delivered = final;
      journal.remove(claim);
      const detail = final.ok ? { ranMs } : { ranMs, kind: final.error.kind, error: final.error.message };
      this.#log.info(detail, SETTLED[settled]);
      this.#ended(settled, ranMs, final.ok ? final.result : undefined);
      return next;
    }
    if (sent.end === 'void') {
      journal.discard(claim, final);
      this.#log.error('outcome discarded, because the claim is lost; the journal keeps it');
    } else {
      this.#log.error(
        { error: messageOf(sent.error) },
        "Redis can't store that the task failed, either; its claim will lapse",
      );
    }
    this.#ended('void', ranMs);
    return undefined;
  }

  /** Reports an outcome; if Redis does not accept it soon, the journal keeps it on disk during the retries. */
  async #report(outcome: Outcome): Promise<Sent<Awaited<ReturnType<PoolQueue['report']>>>> {
    const { claim } = this;
    const { clock, journal } = this.#context;
    const { queue, nextOffer } = this.#run;
    const toDisk = clock.timer(JOURNAL_AFTER_MS, async () => {
      const isKept = await journal.keep(claim, outcome);
      if (isKept) this.#log.warn('Redis does not accept the outcome; it is kept on disk until Redis does');
    });
    try {
      // A refusal may be due to the next task of the same request, so a retry asks for none.
      return await this.#send((refused) => queue.report(claim, outcome, refused === 0 ? nextOffer() : undefined));
    } finally {
      toDisk.stop();
    }
  }

  /**
   * Retries until Redis gives a definite reply: a single OOM or READONLY must not turn a success into a failure. Ends
   * when the signal aborts, or after {@link MAX_REFUSALS} refusals, since more would be the same.
   */
  async #send<T>(request: (refused: number) => Promise<T>, signal?: AbortSignal): Promise<Sent<T>> {
    let refused = 0;
    for (let wait = REPORT_BACKOFF_MS.first; ; wait = Math.min(wait * 2, REPORT_BACKOFF_MS.max)) {
      try {
        return { end: 'taken', answer: await request(refused) };
      } catch (error) {
        if (hasCode(error, 'fenced')) {
          this.#log.error('report refused: this incarnation is fenced');
          this.#context.events.emit('fenced');
          return { end: 'void' };
        }
        if (hasCode(error, 'claim-lost')) {
          this.#log.error({ error: messageOf(error) }, 'report refused: the claim is lost');
          return { end: 'void' };
        }
        if (isRefusal(error) && ++refused >= MAX_REFUSALS) return { end: 'refused', error };
        this.#log.warn({ error: messageOf(error), retryMs: wait }, 'request to Redis failed, trying again');
        await this.#context.clock.sleep(wait, signal);
        if (signal?.aborted) return { end: 'void' };
      }
    }
  }
}
