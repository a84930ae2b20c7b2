import type { Clock } from './clock.ts';

/**
 * Waits for the promise, but at most `ms`: a request to Redis never ends while Redis is away. Rejects if the promise
 * does.
 *
 * @returns its value; undefined if the wait is over first.
 */
export async function waitAtMost<T>(clock: Clock, promise: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.timer(ms, () => late.resolve(undefined));
  return Promise.race([promise, late.promise]).finally(() => timer.stop());
}
