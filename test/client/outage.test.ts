import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { throughOutages } from '../../src/client/outage.ts';
import type { RedisTarget } from '../../src/redis/connection.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const target: RedisTarget = { kind: 'private', socket: '/tmp/redis.sock' };

describe('a read during a Redis outage', () => {
  /** Asks a Redis that is away until this time (ms), and after that answers. */
  const askUntil = (backAt: number, options: { until?: number; error?: Error; status?: Redis['status'] } = {}) => {
    const clock = new VirtualClock();
    const asked: number[] = [];
    const told: string[] = [];
    const closed: boolean[] = [];
    const { error = new Error('Connection is closed.') } = options;
    const redis = {
      status: options.status ?? 'reconnecting',
      disconnect: (reconnect: boolean) => closed.push(reconnect),
    } as unknown as Redis;
    const ask = async () => {
      asked.push(clock.monotonic());
      if (clock.monotonic() < backAt) throw error;
      return 'answer';
    };
    const answer = throughOutages(ask, {
      redis,
      target,
      clock,
      ...(options.until !== undefined && { until: options.until }),
      onOutage: () => told.push(`outage at ${clock.monotonic()}`),
      onBack: () => told.push(`back at ${clock.monotonic()}`),
    });
    answer.catch(() => {}); // awaited by the test
    return { clock, asked, told, closed, answer };
  };

  it('repeats a read every 250 ms until Redis replies, and reports the outage and its end once each', async () => {
    const { clock, asked, told, answer } = askUntil(600);
    await clock.advance(750);
    expect(await answer).toBe('answer');
    expect(asked).toEqual([0, 250, 500, 750]);
    expect(told).toEqual(['outage at 0', 'back at 750']);
  });

  it('reports nothing if Redis replies at once', async () => {
    const { told, answer } = askUntil(0);
    expect(await answer).toBe('answer');
    expect(told).toEqual([]);
  });

  it('fails with the reason at the first attempt after its limit', async () => {
    const { clock, asked, answer } = askUntil(10_000, { until: 600 });
    await clock.advance(750);
    await expect(answer).rejects.toMatchObject({ code: 'redis' });
    expect(asked).toEqual([0, 250, 500, 750]);
    expect(clock.pending).toBe(0);
  });

  it('fails at once if the error does not come from Redis, or the connection was closed', async () => {
    const own = askUntil(10_000, { error: new TypeError('a bug') });
    await expect(own.answer).rejects.toThrow('a bug');
    const closed = askUntil(10_000, { status: 'end' });
    await expect(closed.answer).rejects.toMatchObject({ code: 'redis' });
    expect([own.asked, closed.asked]).toEqual([[0], [0]]);
  });

  it('reconnects if Redis does not reply on a connection that looks alive, as after sleep', async () => {
    const { clock, closed, answer } = askUntil(250, { error: new Error('Command timed out'), status: 'ready' });
    await clock.advance(250);
    expect(await answer).toBe('answer');
    expect(closed).toEqual([true]);
  });
});
