import type { Clock } from '../domain/clock.ts';
import type { Service } from './service.ts';

export interface OnDemandOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly work: () => Promise<unknown>;
  readonly onError: (error: unknown) => void;
  /** The pause after each round, as a multiple of the time that the round took; none by default. */
  readonly rest?: number;
}

/** Does its work on request, and never twice at a time: requests during a round lead to one more round after it. */
export class OnDemand implements Service {
  readonly name: string;
  readonly #options: OnDemandOptions;
  readonly #stop = new AbortController();
  #started = false;
  #wanted = false;
  #round: Promise<void> | undefined;

  constructor(options: OnDemandOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#round;
  }

  /** Begins a round, or requests one after the round under way. Does nothing before the start or after the stop. */
  ask(): void {
    void this.round();
  }

  /** As {@link ask}; resolves when that round has ended, even if its work has failed. */
  async round(): Promise<void> {
    if (!this.#started || this.#stop.signal.aborted) return;
    this.#wanted = true;
    this.#round ??= this.#run(this.#stop.signal);
    await this.#round;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, work, onError, rest = 0 } = this.#options;
    while (this.#wanted && !signal.aborted) {
      this.#wanted = false;
      const beganAt = clock.monotonic();
      try {
        await work();
      } catch (error) {
        onError(error);
      }
      const restMs = (clock.monotonic() - beganAt) * rest;
      if (restMs > 0) await clock.sleep(restMs, signal);
    }
    this.#round = undefined;
  }
}
