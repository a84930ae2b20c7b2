import type { Clock } from '../domain/clock.ts';
import { LongTimer, longSleep } from './long-timer.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: longSleep,
  timer: (ms, onTimeout) => new LongTimer(onTimeout, ms),
};
