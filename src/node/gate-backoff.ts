import type { Clock, Timer } from '../domain/clock.ts';

export interface GateBackoffOptions {
  readonly clock: Clock;
  /** Pause after the first failure, and the longest pause, ms. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** The gate has closed or opened, or one task may try. */
  readonly onChange: () => void;
  /**
   * Called before a task is risked. Returns why it would fail, null if it would not, undefined if that is unknown.
   * Never throws.
   */
  readonly check?: (() => Promise<string | null | undefined>) | undefined;
}

/**
 * A gate that failed runs close, and that a trial run opens: after a pause, one task at a time may run. Its success
 * opens the gate; its failure closes it for twice as long.
 */
export class GateBackoff {
  readonly #options: GateBackoffOptions;
  #state: 'open' | 'closed' | 'trying' = 'open';
  #pauseMs: number;
  #reason: string | undefined;
  #timer: Timer | undefined;
  /** The task that tries; an earlier one no longer counts once another has begun. */
  #tries: string | undefined;
  #checking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: GateBackoffOptions) {
    this.#options = options;
    this.#pauseMs = options.firstMs;
  }

  /** Why the gate is closed; undefined while it is open, or one task may try. */
  get reason(): string | undefined {
    return this.#state === 'closed' ? this.#reason : undefined;
  }

  /** Whether tasks run one at a time, to check whether the node works again. */
  get isTrying(): boolean {
    return this.#state === 'trying';
  }

  /** Whether another task may begin next to these. */
  mayBegin(running: readonly string[]): boolean {
    return this.#state !== 'trying' || this.#tries === undefined || !running.includes(this.#tries);
  }

  /** Records that a run of this task begins. */
  began(taskId: string): void {
    if (this.#state === 'trying') this.#tries = taskId;
  }

  /** Records that a run of this task succeeded; while one task tries, only that task counts. */
  succeeded(taskId: string): void {
    if (this.#state !== 'trying' || this.#tries !== taskId) return;
    this.#state = 'open';
    this.#pauseMs = this.#options.firstMs;
    this.#options.onChange();
  }

  /** Closes the gate. Failures of runs that ran at the same time as the first failed run do not lengthen the pause. */
  close(reason: (pauseMs: number) => string): void {
    if (this.#state === 'closed' || this.#stopped) return;
    const { firstMs, mostMs, onChange } = this.#options;
    this.#pauseMs = this.#state === 'trying' ? Math.min(this.#pauseMs * 2, mostMs) : firstMs;
    this.#pause(reason);
    onChange();
  }

  #pause(reason: (pauseMs: number) => string): void {
    this.#state = 'closed';
    this.#tries = undefined;
    this.#reason = reason(this.#pauseMs);
    this.#timer = this.#options.clock.timer(this.#pauseMs, () => {
      this.#checking = this.#try(reason);
    });
  }

  async #try(reason: (pauseMs: number) => string): Promise<void> {
    const trouble = await this.#options.check?.();
    if (this.#stopped) return;
    if (typeof trouble === 'string') {
      // The check costs no task, so its interval need not grow.
      this.#pause(reason);
      return;
    }
    this.#state = 'trying';
    this.#options.onChange();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.stop();
    await this.#checking;
  }
}
