/** A callback that is due once. */
export interface Timer {
  /** Starts the wait again, unless it is over. Cheap enough for every byte that arrives. */
  refresh(): void;
  /** Cancels the callback. Stopping twice is harmless. */
  stop(): void;
}

/**
 * The only source of time for the daemon's parts: they take a clock instead of asking Node, so that tests decide what
 * time it
 * is. `systemClock` is the real one.
 */
export interface Clock {
  /**
   * Wall-clock time of this machine, ms since the epoch. It may be wrong and may jump: it is for people, and for
   * working out
   * the difference to Redis time. Durations and deadlines use {@link monotonic}.
   */
  now(): number;
  /**
   * Monotonic time, ms from an arbitrary start. It stands still or goes on while the machine sleeps, depending on the
   * system.
   */
  monotonic(): number;
  /** Resolves after `ms`, any duration, or as soon as the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `onTimeout` after `ms`, any duration. */
  timer(ms: number, onTimeout: () => void): Timer;
}
