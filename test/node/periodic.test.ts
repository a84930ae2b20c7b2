import { beforeEach, expect, it, vi } from 'vitest';
import { Periodic, type PeriodicOptions } from '../../src/node/periodic.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
  // No jitter.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});

const periodic = (work: () => Promise<unknown>, onError: PeriodicOptions['onError'] = () => {}) =>
  new Periodic({ name: 'test', clock, intervalMs: 1_000, work, onError });

it('starts each round an interval after the end of the previous one, and never two at a time', async () => {
  const rounds: number[] = [];
  const loop = periodic(async () => {
    rounds.push(clock.monotonic());
    await clock.sleep(5_000);
  });
  loop.start();
  loop.start();
  await clock.advance(20_000);
  expect(rounds).toEqual([1_000, 7_000, 13_000, 19_000]);
});

it('waits for the interval that its work returns', async () => {
  const rounds: number[] = [];
  const loop = periodic(async () => {
    rounds.push(clock.monotonic());
    return 3_000;
  });
  loop.start();
  await clock.advance(8_000);
  expect(rounds).toEqual([1_000, 4_000, 7_000]);
});

it.each([
  ['a tenth early', 0, 900],
  ['a tenth late', 1, 1_100],
])('spreads the rounds of different nodes: a round is at most %s', async (_, random, at) => {
  vi.spyOn(Math, 'random').mockReturnValue(random);
  const loop = periodic(async () => {});
  loop.start();
  expect(clock.nextInMs).toBe(at);
});

it('continues after an error', async () => {
  const errors: unknown[] = [];
  let count = 0;
  const loop = periodic(
    async () => {
      if (++count === 1) throw new Error('once');
    },
    (error) => errors.push(error),
  );
  loop.start();
  await clock.advance(3_000);
  expect(errors).toMatchObject([{ message: 'once' }]);
  expect(count).toBe(3);
});

it('stops when the round under way has ended, and begins no other', async () => {
  let ended = 0;
  const loop = periodic(async () => {
    await clock.sleep(500);
    ended++;
  });
  loop.start();
  await clock.advance(1_100);
  const stopped = loop.stop().then(() => ended);
  await clock.advance(10_000);
  expect(await stopped).toBe(1);
  expect([ended, clock.pending]).toEqual([1, 0]);
});

it('can be stopped before it was started, and stays stopped', async () => {
  const loop = periodic(async () => {});
  await loop.stop();
  await loop.stop();
  loop.start();
  expect(clock.pending).toBe(0);
});
