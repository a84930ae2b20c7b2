/**
 * A gate that the node's own runs have closed, and that opens again by trying: after a pause one task may run at a time. Its
 * success opens the gate, its failure closes it for twice as long.
 */
export class GateBackoff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #onChange: () => void;
  readonly #check: () => Promise<string | null | undefined>;
  #state: 'open' | 'closed' | 'trying' = 'open';
  #pauseMs: number;
  #reason: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The task that tries; the one before it counts for nothing once another has begun. */
  #tries: string | undefined;
  #stopped = false;

  constructor(options: {
    /** Pause after the first failure, and the longest, ms. */
    firstMs: number;
    mostMs: number;
    /** The gate has closed or opened, or one task may try. */
    onChange: () => void;
    /**
     * Asked before a task is risked: answers why it would be in vain, null for that it would not, undefined for not known.
     * Never throws.
     */
    check?: () => Promise<string | null | undefined>;
  }) {
    this.#firstMs = options.firstMs;
    this.#mostMs = options.mostMs;
    this.#pauseMs = options.firstMs;
    this.#onChange = options.onChange;
    this.#check = options.check ?? (async () => undefined);
  }

  /** Why the gate is closed; undefined while it is open, or one task may try. */
  get reason(): string | undefined {
    return this.#state === 'closed' ? this.#reason : undefined;
  }

  /** Whether tasks run one at a time, to see whether all is well again. */
  get isTrying(): boolean {
    return this.#state === 'trying';
  }

  /** Whether another task may begin beside these. */
  mayBegin(running: readonly string[]): boolean {
    return this.#state !== 'trying' || this.#tries === undefined || !running.includes(this.#tries);
  }

  /** A run of this task begins. */
  began(taskId: string): void {
    if (this.#state === 'trying') this.#tries = taskId;
  }

  /** A run of this task has shown that all is well; while one tries, only that counts. */
  succeeded(taskId: string): void {
    if (this.#state !== 'trying' || this.#tries !== taskId) return;
    this.#state = 'open';
    this.#pauseMs = this.#firstMs;
    this.#onChange();
  }

  /** Closes the gate. Failures of what ran beside the first one make the pause no longer. */
  close(reason: (pauseMs: number) => string): void {
    if (this.#state === 'closed' || this.#stopped) return;
    this.#pauseMs = this.#state === 'trying' ? Math.min(this.#pauseMs * 2, this.#mostMs) : this.#firstMs;
    this.#pause(reason);
    this.#onChange();
  }

  #pause(reason: (pauseMs: number) => string): void {
    this.#state = 'closed';
    this.#tries = undefined;
    this.#reason = reason(this.#pauseMs);
    this.#timer = setTimeout(() => void this.#try(reason), this.#pauseMs);
  }

  async #try(reason: (pauseMs: number) => string): Promise<void> {
    const trouble = await this.#check();
    if (this.#stopped) return;
    if (typeof trouble === 'string') {
      // Asking costs no task, so there is no need to ask less and less.
      this.#pause(reason);
      return;
    }
    this.#state = 'trying';
    this.#onChange();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
