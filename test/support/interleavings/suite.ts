import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../test-redis.ts';
import { World } from './world.ts';

/** One test per seed: this many random operations, then everything that is open must end. */
export function interleavings(seeds: readonly number[], steps: number): void {
  describe('random operations on the ports of the queue', () => {
    let server: TestRedis;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server.stop());

    it.each(seeds)(`keep every promise over ${steps} steps, and every task ends (seed %i)`, async (seed) => {
      const world = await World.open(server.url, seed);
      try {
        await world.explore(steps);
        await world.drain();
      } finally {
        await world.close();
      }
      // A short run leaves some out.
      if (steps >= 4_000) expect(world.untried(), 'operations that never did anything').toEqual([]);
    });
  });
}
