import { setTimeout as sleep } from 'node:timers/promises';
import type { Claim } from '../domain/claim.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import { type Outcome, type TaskProgress, taskError } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { Logger } from '../log/logger.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { RunEvent, Runner } from '../runners/runner.ts';
import type { Journal } from './journal.ts';

/** Why a run is stopped before its end. */
export type StopReason = 'deadline' | 'hand-back' | 'claim-lost' | 'fenced';

/** Log lines are written together, so that a chatty run costs two round trips a second, ms. */
const LOG_INTERVAL_MS = 500;
/** Lines kept while they can't be written; as many as are kept of a task. */
const MAX_BUFFERED_LINES = 1_000;
/** Redis answers a report within milliseconds; after this long it's away, ms. */
const JOURNAL_AFTER_MS = 1_000;
/** Wait before a report that Redis refused is sent again: doubles from the first to the second, ms. */
const REPORT_BACKOFF_MS = { first: 100, max: 2_000 };

export interface AttemptRunOptions {
  readonly claim: Claim;
  readonly queue: PoolQueue;
  readonly runner: Runner;
  readonly nodeId: string;
  /** Deadline where the task has none of its own, ms. */
  readonly defaultTimeoutMs: number;
  readonly visibilityTimeoutMs: number;
  readonly log: Logger;
  readonly journal: Journal;
  /** The run has ended in a former life; there's only its outcome to be delivered. */
  readonly outcome?: Outcome | undefined;
  /** Whether a finished run may take the next task at once. */
  readonly mayFetchNext: () => boolean;
  /** Called when Redis says that this whole incarnation is fenced. */
  readonly onFenced: () => void;
}

/** One attempt of one task on this node, from the claim to the report. */
export class AttemptRun {
  readonly claim: Claim;
  readonly #options: AttemptRunOptions;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  /** Monotonic time (ms) until which the claim surely holds, counted from when the claiming request began. */
  #validUntil: number;
  #lines: string[] = [];
  #progress: TaskProgress | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #flushing = false;
  #submittedTo: string | undefined;

  constructor(options: AttemptRunOptions) {
    this.claim = options.claim;
    this.#options = options;
    this.#log = options.log.child({ taskId: options.claim.taskId, attempt: options.claim.attempt });
    this.#validUntil = performance.now() + options.visibilityTimeoutMs;
  }

  /** Stops the run; the first reason counts. */
  stop(reason: StopReason): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }

  /** The claim was renewed by a request that began at this monotonic time (ms). */
  renewed(requestedAt: number): void {
    this.#validUntil = requestedAt + this.#options.visibilityTimeoutMs;
  }

  /** Whether others may take the task within `marginMs`, since the claim could not be renewed. */
  expiresWithin(marginMs: number): boolean {
    return performance.now() + marginMs >= this.#validUntil;
  }

  /** Runs the task and reports; resolves with the slot's next claim, if one came with the answer. */
  async run(): Promise<Claim | undefined> {
    const { claim, runner, nodeId } = this.#options;
    const timeoutMs = claim.spec.timeoutMs ?? this.#options.defaultTimeoutMs;
    if (this.#options.outcome) return this.#settle(this.#options.outcome, timeoutMs, 0);
    this.#log.info({ pool: claim.pool, handovers: claim.handovers }, 'task claimed');
    const startedAt = performance.now();
    const deadline = setTimeout(() => this.stop('deadline'), timeoutMs);
    const request = {
      taskId: claim.taskId,
      attempt: claim.attempt,
      handovers: claim.handovers,
      nodeId,
      spec: claim.spec,
      timeoutMs,
      resumes: claim.resumes,
    };
    const outcome = await runner.run(request, this.#abort.signal, (event) => this.#record(event));
    clearTimeout(deadline);
    // Sent before the report on the same connection; not waited for, since Redis may be away for long.
    void this.#flush();
    const ranMs = Math.round(performance.now() - startedAt);
    return this.#settle(outcome, timeoutMs, ranMs);
  }

  async #settle(outcome: Outcome, timeoutMs: number, ranMs: number): Promise<Claim | undefined> {
    const reason = this.#abort.signal.aborted ? (this.#abort.signal.reason as StopReason) : undefined;
    if (reason === 'fenced' || reason === 'claim-lost') {
      this.#log.warn({ ranMs, reason }, 'run stopped, its outcome is void');
      return undefined;
    }
    if (reason === 'hand-back' && !outcome.ok) {
      await this.#report(async () => {
        const done = await this.#options.queue.handBack(this.claim, 'drain');
        this.#log.info({ ranMs }, done ? 'task handed back' : 'task was not ours any more');
        return undefined;
      });
      return undefined;
    }
    const final: Outcome =
      reason === 'deadline' && !outcome.ok
        ? { ok: false, error: taskError('timeout', `no end after ${humanDuration(timeoutMs)}`) }
        : outcome;
    return this.#deliver(final, async () => {
      const { settled, next } = await this.#options.queue.report(this.claim, final, this.#options.mayFetchNext());
      const detail = final.ok ? { ranMs } : { ranMs, kind: final.error.kind, error: final.error.message };
      this.#log.info(detail, settled === 'retry' ? 'attempt failed, task will be retried' : `task ${settled}`);
      return next;
    });
  }

  /** Reports an outcome; where Redis doesn't take it soon, it's on disk while that goes on. */
  async #deliver(outcome: Outcome, send: () => Promise<Claim | undefined>): Promise<Claim | undefined> {
    const { claim, journal } = this.#options;
    let journaled = this.#options.outcome !== undefined;
    const toDisk = setTimeout(() => {
      journal.write(claim, outcome);
      journaled = true;
      this.#log.warn('Redis does not take the outcome; it is kept on disk until it does');
    }, JOURNAL_AFTER_MS);
    try {
      let delivered = false;
      const next = await this.#report(async () => {
        const answer = await send();
        delivered = true;
        return answer;
      });
      if (journaled && delivered) journal.remove(claim);
      else if (!delivered) this.#discard(outcome, journaled);
      return next;
    } finally {
      clearTimeout(toDisk);
    }
  }

  #discard(outcome: Outcome, journaled: boolean): void {
    const { claim, journal } = this.#options;
    if (!journaled) journal.write(claim, outcome);
    journal.discard(claim);
    this.#log.error('outcome discarded: the task is somebody else’s by now; it is kept in the journal');
  }

  /** Tries until Redis gives a real answer: one OOM or READONLY must not turn a success into a failure. */
  async #report(send: () => Promise<Claim | undefined>): Promise<Claim | undefined> {
    for (let wait = REPORT_BACKOFF_MS.first; ; wait = Math.min(wait * 2, REPORT_BACKOFF_MS.max)) {
      try {
        return await send();
      } catch (error) {
        if (hasCode(error, 'fenced')) {
          this.#log.error('report refused: this incarnation is fenced');
          this.#options.onFenced();
          return undefined;
        }
        if (hasCode(error, 'claim-lost')) {
          this.#log.error({ error: messageOf(error) }, 'report refused: the claim is not ours any more');
          return undefined;
        }
        this.#log.warn({ error: messageOf(error), retryMs: wait }, 'report failed, trying again');
        await sleep(wait);
      }
    }
  }

  #record(event: RunEvent): void {
    const at = new Date().toISOString();
    this.#flushSoon();
    if (event.type === 'log') {
      this.#lines.push(`${at} ${event.text}`);
      if (this.#lines.length > MAX_BUFFERED_LINES) this.#lines.shift();
      return;
    }
    if (event.type === 'submitted') {
      this.#submittedTo = event.to;
      this.#progress = { at, note: 'submitted', tokens: null, submittedTo: event.to };
      void this.#flush();
      return;
    }
    const tokens = event.tokens ?? this.#progress?.tokens ?? null;
    this.#progress = { at, note: event.note, tokens, submittedTo: this.#submittedTo };
  }

  /** One write at a time: while Redis is away, lines gather here and not in a queue of commands. */
  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      if (this.#flushing) this.#flushSoon();
      else void this.#flush();
    }, LOG_INTERVAL_MS);
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (this.#lines.length === 0 && !this.#progress) return;
    const lines = this.#lines;
    const progress = this.#progress;
    this.#lines = [];
    this.#progress = undefined;
    this.#flushing = true;
    try {
      await this.#options.queue.log(this.claim, lines, progress);
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, 'log lines not written');
    } finally {
      this.#flushing = false;
    }
  }
}
