import type { Clock, Timer } from '../domain/clock.ts';
import type { NodeContext } from './context.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Service } from './service.ts';

const TICK_MS = 1_000;
/** A busy event loop is late by less; a Mac that slept, a frozen process or a blocked event loop by more, ms. */
const JUMP_MS = 2_000;

/**
 * Detects that this process stood still: its Mac slept, it was frozen, or its event loop was blocked. Compares both
 * clocks, since systems differ in which of them continues during sleep.
 */
export class SleepWatch implements Service {
  readonly name = 'sleep-watch';
  readonly #clock: Clock;
  readonly #onWake: (sleptMs: number) => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, onWake: (sleptMs: number) => void) {
    this.#clock = clock;
    this.#onWake = onWake;
  }

  start(): void {
    if (!this.#timer && !this.#stopped) this.#tick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.stop();
  }

  #tick(): void {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    this.#timer = this.#clock.timer(TICK_MS, () => {
      const passed = Math.max(this.#clock.now() - wall, this.#clock.monotonic() - monotonic);
      this.#tick();
      if (passed - TICK_MS > JUMP_MS) this.#onWake(Math.round(passed - TICK_MS));
    });
  }
}

/** Another node may have taken over meanwhile. Redis refuses a fenced incarnation, so one heartbeat at once tells. */
export function createSleepWatch({ clock, log, onError }: NodeContext, heartbeat: Pick<Heartbeat, 'beat'>): SleepWatch {
  return new SleepWatch(clock, (sleptMs) => {
    log.warn(
      { sleptMs },
      'the daemon was paused (sleep, freeze or a blocked event loop); checking the incarnation in Redis',
    );
    heartbeat.beat().catch(onError);
  });
}
