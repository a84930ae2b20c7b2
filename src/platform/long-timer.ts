/** Longest delay of a Node timer, ms: 32 bits, 24.8 days. A longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A timer for any duration; it splits one that is too long for a Node timer into parts. */
export class LongTimer {
  readonly #onTimeout: () => void;
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;

  /** Starts at once; `onTimeout` is called after `ms`, unless it is stopped or refreshed before. */
  constructor(onTimeout: () => void, ms: number) {
    this.#onTimeout = onTimeout;
    this.#ms = ms;
    this.#wait(ms);
  }

  /** Restarts the wait, if it is not over. Cheap enough to call for each byte that arrives. */
  refresh(): void {
    if (!this.#timer) return;
    if (this.#ms <= MAX_TIMER_MS) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#wait(this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(leftMs: number): void {
    const part = Math.min(leftMs, MAX_TIMER_MS);
    this.#timer = setTimeout(() => {
      if (leftMs > part) {
        this.#wait(leftMs - part);
        return;
      }
      this.#timer = undefined;
      this.#onTimeout();
    }, part);
  }
}

/** Resolves after any duration (ms), or as soon as `signal` aborts. */
export function longSleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      timer.stop();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = new LongTimer(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
