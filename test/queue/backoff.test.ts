import { describe, expect, it } from 'vitest';
import { backoffDelay } from '../../src/queue/backoff.ts';

describe('the wait after a failed attempt', () => {
  const steady = { delay: 1_000, max: 10_000, jitter: 0 };

  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [4, 8_000],
    [5, 10_000],
    [1_000_000, 10_000],
  ])('after attempt %i is %i ms: it doubles up to the maximum', (attempt, ms) => {
    expect(backoffDelay(steady, attempt)).toBe(ms);
  });

  it('is never longer than the maximum, even if the first wait is configured to be', () => {
    expect(backoffDelay({ ...steady, delay: 60_000 }, 1)).toBe(10_000);
  });

  it.each([
    [0, 0, 4_000],
    [0.999, 0, 4_000],
    [0, 0.5, 4_000],
    [0.5, 0.5, 3_000],
    [0, 1, 4_000],
    [0.25, 1, 3_000],
    [0.99999, 1, 0],
  ])('with %d drawn and jitter %d is %i ms: only the jittered share is random', (drawn, jitter, ms) => {
    expect(backoffDelay({ ...steady, jitter }, 3, () => drawn)).toBe(ms);
  });

  it('is a whole number of milliseconds', () => {
    expect(backoffDelay({ delay: 5, max: 100, jitter: 0.5 }, 1, () => 0.3)).toBe(4);
  });

  it('stays 0 if no wait is configured', () => {
    expect(backoffDelay({ delay: 0, max: 0, jitter: 1 }, 7)).toBe(0);
  });
});
