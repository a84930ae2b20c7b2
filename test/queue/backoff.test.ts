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
  ])('waits after attempt %i for %i ms, which doubles up to the maximum', (attempt, ms) => {
    expect(backoffDelay(steady, attempt)).toBe(ms);
  });

  it('never waits longer than the maximum, even if the configured first wait is longer', () => {
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
  ])('draws %d with jitter %d and waits %i ms, so that only the jittered share is random', (drawn, jitter, ms) => {
    expect(backoffDelay({ ...steady, jitter }, 3, () => drawn)).toBe(ms);
  });

  it('waits a whole number of milliseconds', () => {
    expect(backoffDelay({ delay: 5, max: 100, jitter: 0.5 }, 1, () => 0.3)).toBe(4);
  });

  it('does not wait if no wait is configured', () => {
    expect(backoffDelay({ delay: 0, max: 0, jitter: 1 }, 7)).toBe(0);
  });
});
