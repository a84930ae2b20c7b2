import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type JanitorOptions, janitorRound } from '../../src/node/janitor.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';

describe('the janitor', () => {
  async function oneRound(options: Partial<JanitorOptions>): Promise<unknown[]> {
    const errors: unknown[] = [];
    await janitorRound({
      loops: [],
      mendSchedules: async () => [],
      tidyMesh: async () => 0,
      log: pino({ level: 'silent' }),
      onError: (error) => errors.push(error),
      ...options,
    })();
    return errors;
  }
  const loop = (pool: string, removeExpired: () => Promise<number>) => ({
    queue: { pool, removeExpired } as unknown as PoolQueue,
  });

  it('removes from every pool though schedules, or another pool, can not be worked on', async () => {
    const removed: string[] = [];
    const errors = await oneRound({
      mendSchedules: () => Promise.reject(new Error('no schedules')),
      loops: [
        loop('a', () => Promise.reject(new Error('no pool a'))),
        loop('b', async () => {
          removed.push('b');
          return 0;
        }),
      ],
    });
    expect(removed).toEqual(['b']);
    expect(errors.map(String)).toEqual(['Error: no schedules', 'Error: no pool a']);
  });
});
