import { expect, it } from 'vitest';
import { janitorRound } from '../../src/node/janitor.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import { testContext } from '../support/node-context.ts';

it('removes expired tasks from every pool even if schedules or another pool fail', async () => {
  const errors: unknown[] = [];
  const removed: string[] = [];
  const context = testContext({
    backend: {
      mendSchedules: () => Promise.reject(new Error('no schedules')),
      tidyMesh: async () => removed.push('tidied'),
    },
  });
  const loop = (pool: string, removeExpired: () => Promise<number>) => ({
    queue: { pool, removeExpired } as unknown as PoolQueue,
  });
  const loops = [
    loop('a', () => Promise.reject(new Error('no pool a'))),
    loop('b', async () => {
      removed.push('b');
      return 0;
    }),
  ];
  await janitorRound({ ...context, onError: (error) => errors.push(error) }, { loops })();
  expect(removed).toEqual(['b', 'tidied']);
  expect(errors.map(String)).toEqual(['Error: no schedules', 'Error: no pool a']);
});
