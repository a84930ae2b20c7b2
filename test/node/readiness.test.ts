import { describe, expect, it, vi } from 'vitest';
import { Readiness } from '../../src/node/readiness.ts';

describe('whether a node may claim', () => {
  it('drains with a patience that no timer of Node can wait for, and without calling it over at once', async () => {
    const readiness = new Readiness(() => {
      throw new Error('no gate is looked at');
    });
    const over = vi.fn();
    readiness.drain(30 * 86_400_000, over);
    readiness.drain(3_650 * 86_400_000, over);
    // Node would call a timer that is too long after one millisecond.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(over).not.toHaveBeenCalled();
    readiness.stop();
  });

  it('is told with each gate that closes or opens, once', () => {
    let trouble: string | null = null;
    let freeDisk = 10;
    const readiness = new Readiness(() => ({
      openclaw: { mode: 'exec', version: '1', expected: null, healthy: true },
      openclawTrouble: trouble,
      versionMismatch: 'close',
      loginTrouble: undefined,
      journalTrouble: undefined,
      freeDisk,
      minFreeDisk: 5,
      freeMemory: undefined,
      minFreeMemory: 0,
      battery: null,
      minBattery: 0,
      clockSkewMs: 0,
      maxClockSkewMs: 1,
      clockSkew: 'warn',
      otherDigest: undefined,
      configDrift: 'warn',
      pausedPools: [],
      redisPolicy: 'noeviction',
    }));
    const refresh = () => readiness.refresh().map(({ name, open }) => `${name} ${open ? 'open' : 'closed'}`);
    expect(refresh()).toEqual([]);
    expect(readiness.open).toBe(true);
    trouble = 'it hangs';
    expect(refresh()).toEqual(['openclaw-health closed']);
    freeDisk = 1;
    expect(refresh()).toEqual(['free-disk closed']);
    expect([readiness.open, refresh()]).toEqual([false, []]);
    trouble = null;
    expect([refresh(), readiness.open]).toEqual([['openclaw-health open'], false]);
    freeDisk = 9;
    expect([refresh(), readiness.open]).toEqual([['free-disk open'], true]);
    readiness.drain(60_000, () => {});
    expect([refresh(), readiness.state]).toEqual([['draining closed'], 'draining']);
    readiness.resume();
    expect(refresh()).toEqual(['draining open']);
  });
});
