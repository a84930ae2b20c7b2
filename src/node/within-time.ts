import { LongTimer } from '../platform/long-timer.ts';

/** Waits for the promise, but not for ever: without Redis nothing that is to be told to it ever ends. */
export async function withinTime(promise: Promise<unknown>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = new LongTimer(late.resolve, ms);
  await Promise.race([promise, late.promise]).finally(() => timer.stop());
}
