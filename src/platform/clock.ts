import type { Clock } from '../domain/clock.ts';
import { LongTimer, longSleep } from './long-timer.ts';

/** The clock of this machine and process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: longSleep,
  timer: (ms, onTimeout) => new LongTimer(onTimeout, ms),
};
