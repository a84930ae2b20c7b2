import { expect, it } from 'vitest';
import { SleepWatch } from '../../src/node/sleep-watch.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const watching = () => {
  const clock = new VirtualClock();
  const slept: number[] = [];
  const watch = new SleepWatch(clock, (ms) => slept.push(ms));
  watch.start();
  return { clock, slept, watch };
};

it('reports once how long the process stood still', async () => {
  const { clock, slept } = watching();
  await clock.advance(60_000);
  await clock.freeze(40_000);
  await clock.advance(60_000);
  expect(slept).toEqual([39_000]);
});

it('notices sleep on a system whose monotonic clock stands still during it', async () => {
  const { clock, slept } = watching();
  await clock.advance(500);
  clock.setWall(clock.now() + 7_200_000);
  await clock.advance(500);
  expect(slept).toEqual([7_200_000]);
});

it('does not take a busy event loop for sleep', async () => {
  const { clock, slept } = watching();
  await clock.freeze(2_900);
  await clock.advance(10_000);
  expect(slept).toEqual([]);
});

it('leaves no timer behind once it is stopped', async () => {
  const { clock, watch } = watching();
  await clock.advance(5_000);
  await watch.stop();
  watch.start();
  expect(clock.pending).toBe(0);
});
