import type { Clock, Timer } from '../../src/domain/clock.ts';

interface Waiting {
  at: number;
  readonly order: number;
  readonly onTimeout: () => void;
}

/** A clock that stands still until the test advances it. Timers fire in order, each at its exact time. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Waiting>();
  #monotonic = 0;
  #wall: number;
  #count = 0;

  /** @param startMs wall-clock time at the start, ms since the epoch. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startMs;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  timer(ms: number, onTimeout: () => void): Timer {
    const waiting = { at: this.#monotonic + Math.max(0, ms), order: this.#count++, onTimeout };
    this.#timers.add(waiting);
    return {
      refresh: () => {
        if (this.#timers.has(waiting)) waiting.at = this.#monotonic + Math.max(0, ms);
      },
      stop: () => void this.#timers.delete(waiting),
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        timer.stop();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.timer(ms, done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** In how many ms the next timer is due; undefined when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#monotonic;
  }

  /** Lets `ms` pass. Each timer that comes due fires at its time, and what it starts runs before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settled();
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#pass(Math.max(0, next.at - this.#monotonic));
      this.#timers.delete(next);
      next.onTimeout();
      await settled();
    }
    this.#pass(end - this.#monotonic);
  }

  /** The process stood still for `ms`: timers that came due meanwhile fire late, all at the end. */
  async freeze(ms: number): Promise<void> {
    this.#pass(ms);
    await this.advance(0);
  }

  /** The wall clock is set; monotonic time and timers know nothing of it. */
  setWall(ms: number): void {
    this.#wall = ms;
  }

  #pass(ms: number): void {
    this.#monotonic += ms;
    this.#wall += ms;
  }

  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Resolves once all promises that can settle without time or I/O have done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
