import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Does something whenever it is asked for, and never twice at a time: requests that come during the work lead to one more
 * round after it. Whoever asks does not wait. Starting twice and stopping twice do no harm.
 */
export class OnDemand {
  readonly #work: () => Promise<unknown>;
  readonly #onError: (error: unknown) => void;
  readonly #rest: number;
  #stop: AbortController | undefined;
  #wanted = false;
  #working = false;

  /** `rest`: the pause after each round, as a multiple of the time that the round took; none by default. */
  constructor(options: { work: () => Promise<unknown>; onError: (error: unknown) => void; rest?: number }) {
    this.#work = options.work;
    this.#onError = options.onError;
    this.#rest = options.rest ?? 0;
  }

  start(): void {
    this.#stop ??= new AbortController();
  }

  /** No round begins after the call; one that is under way goes on. */
  stop(): void {
    this.#stop?.abort();
  }

  /** Begins a round, or has one begin after the one that is under way. Does nothing before the start or after the stop. */
  ask(): void {
    if (!this.#stop || this.#stop.signal.aborted) return;
    this.#wanted = true;
    if (!this.#working) void this.#run(this.#stop.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#working = true;
    while (this.#wanted && !signal.aborted) {
      this.#wanted = false;
      const beganAt = performance.now();
      try {
        await this.#work();
      } catch (error) {
        this.#onError(error);
      }
      const restMs = (performance.now() - beganAt) * this.#rest;
      if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(() => {});
    }
    this.#working = false;
  }
}
