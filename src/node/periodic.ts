import type { Clock } from '../domain/clock.ts';
import type { Service } from './service.ts';

export interface PeriodicOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly intervalMs: number;
  /** May return the pause before its next round, ms. */
  readonly work: () => Promise<unknown>;
  readonly onError: (error: unknown) => void;
}

/**
 * Repeats its work, with `intervalMs` between the end of one round and the start of the next. If the work returns a
 * number, that becomes the interval. A jitter of a tenth lets nodes that started together drift apart.
 */
export class Periodic implements Service {
  readonly name: string;
  readonly #options: PeriodicOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: PeriodicOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, work, onError } = this.#options;
    let { intervalMs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(intervalMs * (0.9 + 0.2 * Math.random()), signal);
      if (signal.aborted) return;
      try {
        const next = await work();
        if (typeof next === 'number') intervalMs = next;
      } catch (error) {
        onError(error);
      }
    }
  }
}
