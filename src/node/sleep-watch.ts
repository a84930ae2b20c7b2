const TICK_MS = 1_000;
/** A busy event loop is late by less; a Mac that slept, a frozen process or a blocked loop by more, ms. */
const JUMP_MS = 2_000;

/**
 * Notices that this process stood still: its Mac slept, it was frozen, or its event loop was blocked. Looks at both clocks,
 * since which of them goes on during sleep differs between systems.
 */
export class SleepWatch {
  readonly #onWake: (sleptMs: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #wall = 0;
  #monotonic = 0;

  constructor(onWake: (sleptMs: number) => void) {
    this.#onWake = onWake;
  }

  start(): void {
    this.#mark();
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const passed = Math.max(Date.now() - this.#wall, performance.now() - this.#monotonic);
    this.#mark();
    if (passed - TICK_MS > JUMP_MS) this.#onWake(Math.round(passed - TICK_MS));
  }

  #mark(): void {
    this.#wall = Date.now();
    this.#monotonic = performance.now();
  }
}
