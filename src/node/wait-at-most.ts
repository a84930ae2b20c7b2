import type { Clock } from '../domain/clock.ts';

/**
 * Waits for the promise, but at most `ms`: a request to Redis never ends while Redis is away. Rejects if the promise
 * does.
 */
export async function waitAtMost(clock: Clock, promise: Promise<unknown>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.timer(ms, late.resolve);
  await Promise.race([promise, late.promise]).finally(() => timer.stop());
}
