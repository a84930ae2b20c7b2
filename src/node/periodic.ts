import { longSleep } from '../platform/long-timer.ts';

/**
 * Does something again and again: `intervalMs` between the end of one and the start of the next, or the number that the
 * work answers, give or take a tenth so that nodes that started together drift apart. Starting twice and stopping twice do no
 * harm.
 */
export class Periodic {
  #intervalMs: number;
  readonly #work: () => Promise<unknown>;
  readonly #onError: (error: unknown) => void;
  #stop: AbortController | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: { intervalMs: number; work: () => Promise<unknown>; onError: (error: unknown) => void }) {
    this.#intervalMs = options.intervalMs;
    this.#work = options.work;
    this.#onError = options.onError;
  }

  start(): void {
    if (this.#stop) return;
    this.#stop = new AbortController();
    this.#loop = this.#run(this.#stop.signal);
  }

  /** Resolves when the work that was under way has ended; none begins after the call. */
  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pause = this.#intervalMs * (0.9 + 0.2 * Math.random());
      await longSleep(pause, signal);
      if (signal.aborted) return;
      try {
        const next = await this.#work();
        if (typeof next === 'number') this.#intervalMs = next;
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
