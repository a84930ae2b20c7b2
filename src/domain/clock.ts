/** A callback that runs once. */
export interface Timer {
  /** Restarts the wait, unless it is over. Cheap enough to call for every byte that arrives. */
  refresh(): void;
  /** Cancels the callback. Stopping twice is harmless. */
  stop(): void;
}

/**
 * The only source of time for the parts of the daemon, so that tests can control the time. `systemClock` is the real
 * one.
 */
export interface Clock {
  /**
   * Wall-clock time of this machine, ms since the epoch. It may be wrong and may jump. Use it only for display and to
   * compute the difference to Redis time. Durations and deadlines use {@link monotonic}.
   */
  now(): number;
  /** Monotonic time, ms from an arbitrary start. Whether it advances while the machine sleeps depends on the system. */
  monotonic(): number;
  /** Resolves after `ms` (of any length) or as soon as the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `onTimeout` after `ms` (of any length). */
  timer(ms: number, onTimeout: () => void): Timer;
}
