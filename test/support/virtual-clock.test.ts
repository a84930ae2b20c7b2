import { expect, it } from 'vitest';
import { VirtualClock } from './virtual-clock.ts';

it('fires timers in order, each at its time, including timers that they start', async () => {
  const clock = new VirtualClock(1_000);
  const fired: [string, number, number][] = [];
  const note = (name: string) => fired.push([name, clock.monotonic(), clock.now()]);
  clock.timer(20, () => {
    note('second');
    clock.timer(5, () => note('third'));
  });
  clock.timer(10, () => note('first'));
  clock.timer(15, () => note('stopped')).stop();
  await clock.advance(24);
  expect(fired).toEqual([
    ['first', 10, 1_010],
    ['second', 20, 1_020],
  ]);
  await clock.advance(1);
  expect(fired.at(-1)).toEqual(['third', 25, 1_025]);
  expect(clock.pending).toBe(0);
});

it('restarts a wait when the timer is refreshed', async () => {
  const clock = new VirtualClock();
  let fired = 0;
  const timer = clock.timer(10, () => fired++);
  await clock.advance(9);
  timer.refresh();
  await clock.advance(9);
  expect(fired).toBe(0);
  await clock.advance(1);
  expect(fired).toBe(1);
});

it('ends a sleep when its signal aborts, and leaves no timer behind', async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  const sleep = clock.sleep(1_000, abort.signal);
  abort.abort();
  await sleep;
  await clock.sleep(1_000, abort.signal);
  expect(clock.pending).toBe(0);
});

it('fires overdue timers late after the process stood still', async () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  clock.timer(10, () => at.push(clock.monotonic()));
  await clock.freeze(5_000);
  expect(at).toEqual([5_000]);
});
