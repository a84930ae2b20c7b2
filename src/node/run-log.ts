import type { Claim } from '../domain/claim.ts';
import type { Clock, Timer } from '../domain/clock.ts';
import { cutText } from '../domain/cut-text.ts';
import { messageOf } from '../domain/errors.ts';
import { type Mask, maskedLine } from '../domain/secrets.ts';
import type { TaskProgress } from '../domain/task.ts';
import type { Logger } from '../log/logger.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import type { RunEvent } from '../runners/runner.ts';

/** Interval between writes, ms; log lines are batched, so that a chatty run costs two round trips a second. */
const INTERVAL_MS = 500;
/** Lines buffered while they can't be written; equals the number of lines that a task's log keeps. */
const MAX_BUFFERED_LINES = 1_000;
/** Longest line to keep, in characters. */
const MAX_LINE = 4_000;
/** Longer raw lines are cut on arrival, in characters; the final cut happens when they are written. */
const MAX_RAW_LINE = 2 * MAX_LINE;
/** Longest note on a run's progress, in characters. */
const MAX_NOTE = 200;

/** Buffers a run's output and progress on the way to the task's log. */
export class RunLog {
  readonly #claim: Claim;
  readonly #queue: PoolQueue;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #mask: Mask;
  /** Lines with their time of arrival (ms). They are masked when written, since most of a flood is never kept. */
  #lines: { at: number; text: string }[] = [];
  /** The agent's text since the last line break. */
  #text = '';
  #progress: { at: number; note: string } | undefined;
  #tokens: number | null = null;
  #submittedTo: string | undefined;
  #timer: Timer | undefined;
  #flushing = false;

  constructor(options: { claim: Claim; queue: PoolQueue; clock: Clock; log: Logger; mask: Mask }) {
    this.#claim = options.claim;
    this.#queue = options.queue;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#mask = options.mask;
  }

  record(event: RunEvent): void {
    if (event.type === 'alive') return;
    const at = this.#clock.now();
    if (event.type === 'text') {
      this.#text += event.delta;
      const lines = this.#text.split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) this.#line(line, at);
      if (this.#text.length > MAX_LINE) this.#endText(at);
    } else {
      this.#endText(at);
    }
    if (event.type === 'log') this.#line(event.text, at);
    if (event.type === 'progress') {
      this.#tokens = event.tokens ?? this.#tokens;
      this.#progress = { at, note: event.note };
    }
    this.#flushSoon();
    if (event.type !== 'submitted') return;
    this.#submittedTo = event.to;
    this.#progress = { at, note: 'submitted' };
    // The next incarnation needs this to re-attach to the run after a crash of this daemon.
    void this.#flush();
  }

  /** Writes the remaining lines; the progress of a run is irrelevant once it has ended. */
  async end(): Promise<void> {
    if (this.#text !== '') this.#endText(this.#clock.now());
    this.#progress = undefined;
    await this.#flush();
  }

  #endText(at: number): void {
    if (this.#text.trim() !== '') this.#line(this.#text, at);
    this.#text = '';
  }

  #line(text: string, at: number): void {
    if (text.trim() === '') return;
    this.#lines.push({ at, text: cutText(text, MAX_RAW_LINE) });
    if (this.#lines.length > MAX_BUFFERED_LINES) this.#lines.shift();
  }

  /** One write at a time: while Redis is away, lines gather here and not in a command queue. */
  #flushSoon(): void {
    this.#timer ??= this.#clock.timer(INTERVAL_MS, () => {
      this.#timer = undefined;
      if (this.#flushing) this.#flushSoon();
      else void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#timer?.stop();
    this.#timer = undefined;
    if (this.#lines.length === 0 && !this.#progress) return;
    const iso = (at: number) => new Date(at).toISOString();
    const lines = this.#lines.map(({ at, text }) => `${iso(at)} ${maskedLine(this.#mask, text, MAX_LINE)}`);
    const progress: TaskProgress | undefined = this.#progress && {
      at: iso(this.#progress.at),
      note: maskedLine(this.#mask, this.#progress.note, MAX_NOTE),
      tokens: this.#tokens,
      submittedTo: this.#submittedTo,
    };
    this.#lines = [];
    this.#progress = undefined;
    this.#flushing = true;
    try {
      await this.#queue.log(this.#claim, lines, progress);
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, 'log lines not written');
    } finally {
      this.#flushing = false;
    }
  }
}
