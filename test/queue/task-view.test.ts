import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelay } from '../../src/queue/backoff.ts';
import { type BullState, taskView } from '../../src/queue/bullmq/task-view.ts';

const data = JSON.stringify({ v: 1, message: 'm', tags: {}, attempts: 3 });
const states: BullState[] = ['wait', 'prioritized', 'delayed', 'active', 'completed', 'failed'];

describe('a task’s view', () => {
  it('shows a task even if its hash is malformed', () => {
    const fields = fc.constantFrom(
      'data',
      'timestamp',
      'atm',
      'pb',
      'processedOn',
      'finishedOn',
      'cm:error',
      'cm:history',
      'returnvalue',
      'progress',
      'delay',
    );
    fc.assert(
      fc.property(
        fc.dictionary(fields, fc.oneof(fc.string(), fc.json(), fc.double().map(String))),
        fc.constantFrom(...states),
        (hash, state) => taskView('id', 'pool', state, hash).id === 'id',
      ),
      { examples: [[{ delay: '-8640000000000002' }, 'delayed']] },
    );
  });

  it('waits since it was enqueued, or since its last attempt failed', () => {
    const delayed = taskView('id', 'p', 'delayed', { data, timestamp: '1000', delay: '500' });
    expect(delayed.delayedUntil).toBe(new Date(1_500).toISOString());
    const line = JSON.stringify({ at: 9_000, event: 'retry', node: 'n', attempt: 1, reason: 'timeout: x' });
    const retried = taskView('id', 'p', 'delayed', {
      data,
      timestamp: '1000',
      delay: '500',
      'cm:history': `${line}\n`,
    });
    expect(retried.delayedUntil).toBe(new Date(9_500).toISOString());
  });
});

describe('the computed backoff', () => {
  const backoff = { delay: 5_000, max: 300_000, jitter: 0.2 };

  it('doubles the backoff up to its cap', () => {
    const waits = [1, 2, 3, 7, 8, 100].map((attempt) => backoffDelay(backoff, attempt, () => 0));
    expect(waits).toEqual([5_000, 10_000, 20_000, 300_000, 300_000, 300_000]);
  });

  it('subtracts at most the jittered share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const full = backoffDelay(backoff, attempt, () => 0);
        const wait = backoffDelay(backoff, attempt, () => random);
        return wait <= full && wait >= full * 0.8 - 1;
      }),
    );
  });
});
