import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LongTimer, longSleep, MAX_TIMER_MS } from '../../src/platform/long-timer.ts';

const DAY_MS = 86_400_000;

describe('a timer for any duration', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([1, DAY_MS, MAX_TIMER_MS, MAX_TIMER_MS + 1, 30 * DAY_MS, 3650 * DAY_MS])(
    'fires once after %d ms, and not a millisecond earlier',
    (ms) => {
      const fired = vi.fn();
      new LongTimer(fired, ms);
      vi.advanceTimersByTime(ms - 1);
      expect(fired).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(fired).toHaveBeenCalledOnce();
      vi.advanceTimersByTime(ms * 2);
      expect(fired).toHaveBeenCalledOnce();
    },
  );

  it.each([DAY_MS, 30 * DAY_MS])('restarts a timer of %d ms when it is refreshed, until it is stopped', (ms) => {
    const fired = vi.fn();
    const timer = new LongTimer(fired, ms);
    vi.advanceTimersByTime(ms - 1);
    timer.refresh();
    vi.advanceTimersByTime(ms - 1);
    expect(fired).not.toHaveBeenCalled();
    timer.stop();
    timer.refresh();
    vi.advanceTimersByTime(ms * 2);
    expect(fired).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends a long sleep after its time, or when its signal aborts', async () => {
    const slept = vi.fn();
    void longSleep(30 * DAY_MS).then(slept);
    await vi.advanceTimersByTimeAsync(30 * DAY_MS - 1);
    expect(slept).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(slept).toHaveBeenCalledOnce();

    const abort = new AbortController();
    const aborted = longSleep(30 * DAY_MS, abort.signal);
    abort.abort();
    await aborted;
    await longSleep(30 * DAY_MS, abort.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});
