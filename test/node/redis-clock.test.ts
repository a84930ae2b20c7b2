import { expect, it } from 'vitest';
import { RedisClock } from '../../src/node/redis-clock.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

it('estimates Redis time between two heartbeats, however wrong this machine’s clock is', async () => {
  const clock = new VirtualClock(1_000_000);
  const redis = new RedisClock(clock, 5_000_000);
  await clock.advance(700);
  expect([redis.now, redis.offset]).toEqual([5_000_700, 4_000_000]);
});

it('reports a jump of Redis’ clock by more than 2 s, and no smaller one', async () => {
  const clock = new VirtualClock(0);
  const redis = new RedisClock(clock, 0);
  await clock.advance(1_000);
  expect(redis.follow(3_000)).toBe(0);
  expect(redis.follow(5_001)).toBe(2_001);
  expect(redis.follow(0)).toBe(-5_001);
});

it('does not take a wrong setting of this machine’s clock for a jump of Redis’ clock', () => {
  const clock = new VirtualClock(0);
  const redis = new RedisClock(clock, 10_000);
  clock.setWall(3_600_000);
  expect(redis.follow(10_000)).toBe(0);
  expect(redis.now).toBe(10_000);
});
