import { expect, it } from 'vitest';
import { waitAtMost } from '../../src/domain/wait-at-most.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const never = new Promise<never>(() => {});

it('waits for the promise, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  expect(await waitAtMost(clock, Promise.resolve('done'), 1_000)).toBe('done');
  expect(clock.pending).toBe(0);
});

it('gives up after exactly the given time', async () => {
  const clock = new VirtualClock();
  let isOver = false;
  void waitAtMost(clock, never, 1_000).then(() => {
    isOver = true;
  });
  await clock.advance(999);
  expect(isOver).toBe(false);
  await clock.advance(1);
  expect(isOver).toBe(true);
});

it('rejects with the promise, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  await expect(waitAtMost(clock, Promise.reject(new Error('refused')), 1_000)).rejects.toThrow('refused');
  expect(clock.pending).toBe(0);
});

it('ignores a promise that rejects after the wait', async () => {
  const clock = new VirtualClock();
  const late = Promise.withResolvers<void>();
  const wait = waitAtMost(clock, late.promise, 1_000);
  await clock.advance(1_000);
  await wait;
  late.reject(new Error('too late'));
  await settled();
});
