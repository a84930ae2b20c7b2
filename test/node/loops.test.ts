import { describe, expect, it, vi } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { OnDemand } from '../../src/node/on-demand.ts';
import { Periodic } from '../../src/node/periodic.ts';
import { Signal } from '../../src/node/signal.ts';
import { SleepWatch } from '../../src/node/sleep-watch.ts';

describe('a periodic loop', () => {
  const loop = (work: () => Promise<void>, onError: (error: unknown) => void = () => {}) =>
    new Periodic({ intervalMs: 5, work, onError });

  it('works again and again, and never twice at a time', async () => {
    let atOnce = 0;
    let most = 0;
    const rounds = Promise.withResolvers<void>();
    let count = 0;
    const periodic = loop(async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 10));
      atOnce--;
      if (++count === 5) rounds.resolve();
    });
    periodic.start();
    periodic.start();
    await rounds.promise;
    await periodic.stop();
    await periodic.stop();
    expect(most).toBe(1);
  });

  it('goes on after an error, and begins nothing after its stop', async () => {
    const failed = Promise.withResolvers<unknown>();
    const again = Promise.withResolvers<void>();
    let count = 0;
    const periodic = loop(async () => {
      if (++count === 1) throw new Error('once');
      again.resolve();
    }, failed.resolve);
    periodic.start();
    expect(await failed.promise).toMatchObject({ message: 'once' });
    await again.promise;
    await periodic.stop();
    const stoppedAt = count;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(count).toBe(stoppedAt);
  });

  it('can be stopped before it was started', async () => {
    await expect(loop(async () => {}).stop()).resolves.toBeUndefined();
  });
});

describe('a loop on demand', () => {
  /** A loop whose rounds end when the test says so. */
  const gated = (rest = 0) => {
    const rounds: PromiseWithResolvers<void>[] = [];
    const errors: unknown[] = [];
    const loop = new OnDemand({
      work: () => {
        const round = Promise.withResolvers<void>();
        rounds.push(round);
        return round.promise;
      },
      onError: (error) => errors.push(error),
      rest,
    });
    return { loop, rounds, errors };
  };

  it('makes one more round of all requests that come during a round, and never two at a time', async () => {
    const { loop, rounds, errors } = gated(1);
    loop.start();
    loop.ask();
    for (let i = 0; i < 3; i++) loop.ask();
    expect(rounds).toHaveLength(1);
    rounds[0]?.reject(new Error('once'));
    await expect.poll(() => rounds.length).toBe(2);
    expect(errors).toMatchObject([{ message: 'once' }]);
    rounds[1]?.resolve();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(rounds, 'nobody has asked since').toHaveLength(2);
    loop.ask();
    await expect.poll(() => rounds.length).toBe(3);
  });

  it('does nothing before its start and after its stop', async () => {
    const { loop, rounds } = gated();
    loop.ask();
    loop.start();
    expect(rounds).toHaveLength(0);
    loop.ask();
    loop.ask();
    loop.stop();
    loop.stop();
    rounds[0]?.resolve();
    await new Promise((resolve) => setTimeout(resolve, 30));
    loop.ask();
    expect(rounds).toHaveLength(1);
  });
});

describe('the sleep watch', () => {
  it('notices a jump of either clock, once, and nothing of usual delays', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date', 'performance'] });
    try {
      const slept: number[] = [];
      const watch = new SleepWatch((ms) => slept.push(ms));
      watch.start();
      vi.advanceTimersByTime(10_000);
      expect(slept).toEqual([]);
      vi.setSystemTime(Date.now() + 60_000);
      vi.advanceTimersByTime(3_000);
      expect(slept).toEqual([60_000]);
      watch.stop();
      vi.setSystemTime(Date.now() + 60_000);
      vi.advanceTimersByTime(3_000);
      expect(slept).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a signal', () => {
  it('wakes everybody who waits, and nobody who comes later', async () => {
    const signal = new Signal();
    const woken = Promise.all([signal.wait(), signal.wait()]);
    signal.notify();
    await woken;
    const late = await Promise.race([signal.wait().then(() => 'woken'), Promise.resolve('still waiting')]);
    expect(late).toBe('still waiting');
  });
});

describe('error kinds', () => {
  it('know whether another attempt could end better', () => {
    expect(
      ['auth', 'invalid', 'handover_limit', 'cancelled'].map((kind) => taskError(kind as 'auth', '').retryable),
    ).toEqual(Array(4).fill(false));
    expect(
      ['provider', 'timeout', 'crash', 'rate_limit', 'unknown'].map((kind) => taskError(kind as 'crash', '').retryable),
    ).toEqual(Array(5).fill(true));
  });
});
