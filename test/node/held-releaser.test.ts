import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHeldReleaser } from '../../src/node/held-releaser.ts';
import type { OnDemand } from '../../src/node/on-demand.ts';
import { RedisClock } from '../../src/node/redis-clock.ts';
import { Sweep } from '../../src/node/sweep.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { connectRedis, openRedis } from '../../src/redis/connection.ts';
import { NodeRegistry } from '../../src/registry/node-registry.ts';
import type { SweepOptions } from '../../src/registry/sweeping.ts';
import { testContext } from '../support/node-context.ts';
import { meshPerTest, newTask, type TestMesh } from '../support/pool.ts';
import { RedisProxy } from '../support/redis-proxy.ts';

const SESSIONS = 1_500;

/** What a node does between two sweeps while tasks of many sessions are held for another node, which is busy. */
describe('a node in a mesh with many held sessions', () => {
  let mesh: TestMesh;
  let proxy: RedisProxy;
  let sweep: Sweep | undefined;
  let releaser: OnDemand | undefined;
  const current = meshPerTest('h');
  beforeEach(async () => {
    mesh = current();
    proxy = await RedisProxy.start(Number(new URL(settings().url ?? '').port));
  });
  afterEach(async () => {
    await Promise.all([sweep?.stop(), releaser?.stop()]);
    await proxy.stop();
  });

  const settings = () => {
    if (mesh.target.kind !== 'shared') throw new Error('a mesh of a test has a Redis of its own');
    return mesh.target.config;
  };
  /** This many sessions that are sticky to mac-1, each with a task that mac-2 has held. */
  const holdSessions = async (count: number) => {
    await mesh.node('mac-1');
    const two = await mesh.node('mac-2');
    const sessions = mesh.redis.pipeline();
    for (let i = 0; i < count; i++) sessions.hset(`${mesh.keys.sessionPrefix}|s${i}`, 'node', 'mac-1');
    await sessions.exec();
    await mesh.producer.enqueue(Array.from({ length: count }, (_, i) => newTask({ session: `s${i}` })));
    for (let i = 0; i < count; i++) await two.claim();
    expect(await mesh.redis.scard(mesh.keys.held)).toBe(count);
  };

  it('sends a bounded number of requests between two sweeps, however many sessions have held tasks', async () => {
    await holdSessions(SESSIONS);
    const target = { kind: 'shared' as const, config: { ...settings(), url: proxy.url } };
    const redis = connectRedis(target, 'daemon', 'sweeper');
    await openRedis(redis, target);
    // Requests of the node since its last sweep, and the most that there ever were.
    let since = 0;
    let most = 0;
    let sweeps = 0;
    proxy.onRequest = (text) => {
      since += text.match(/\r\n(evalsha|eval|sscan|smembers)\r\n/gi)?.length ?? 0;
      most = Math.max(most, since);
      return undefined;
    };
    class WatchedRegistry extends NodeRegistry {
      override async sweep(how: SweepOptions) {
        const swept = await super.sweep(how);
        sweeps++;
        since = 0;
        return swept;
      }
    }
    let rounds = 0;
    const fail = (error: unknown) => {
      throw error;
    };
    const base = testContext({ nodeId: 'mac-2', config: { health: { heartbeatInterval: '3m' } } });
    const context = {
      ...base,
      // Redis and its network take real time.
      clock: systemClock,
      redisClock: new RedisClock(systemClock, Date.now()),
      backend: {
        ...base.backend,
        registry: new WatchedRegistry(redis, mesh.keys),
        requeue: async () => [],
        releaseHeld: () => releaseHeld(redis, mesh.keys),
      },
      onError: fail,
    };
    context.events.on('heldFor', (heldFor) => {
      expect(heldFor).toHaveLength(SESSIONS);
      rounds++;
    });
    releaser = createHeldReleaser(context);
    sweep = new Sweep(context, { runs: { count: 0, waitsForWork: false }, releaser });
    releaser.start();
    sweep.start();
    await expect.poll(() => Math.min(rounds, sweeps)).toBeGreaterThan(2);
    await Promise.all([sweep.stop(), releaser.stop()]);
    redis.disconnect();
    // Some 200 reasons a step, of one or two requests; one round and the end of the one before it may fall between two
    // sweeps.
    expect(most).toBeGreaterThan(SESSIONS / 200);
    expect(most).toBeLessThan(60);
  });

  it('checks the held tasks of every session with few requests', async () => {
    await holdSessions(SESSIONS);
    await mesh.redis.config('RESETSTAT');
    const { heldFor } = await releaseHeld(mesh.redis, mesh.keys);
    const stats = await mesh.redis.info('commandstats');
    const calls = ['eval', 'evalsha', 'sscan', 'smembers'].map((name) =>
      Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
    );
    expect(heldFor).toHaveLength(SESSIONS);
    expect(calls.reduce((sum, count) => sum + count)).toBeLessThan(30);
    await mesh.registry.evict('mac-1', 15_000);
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: SESSIONS, heldFor: [] });
    expect(await mesh.redis.scard(mesh.keys.held)).toBe(0);
    expect(await mesh.redis.llen(mesh.keys.pool('default', 'wait'))).toBe(SESSIONS);
  });

  it('releases all tasks that wait for a circuit or for another task, in order', async () => {
    const count = 1_000;
    const [first] = await mesh.producer.enqueue([newTask({ pool: 'other' })]);
    const after = [{ id: first?.id ?? '', pool: 'other' }];
    const enqueued = await mesh.producer.enqueue(Array.from({ length: count }, () => newTask({ after })));
    const ids = enqueued.map(({ id }) => id);
    expect(await releaseHeld(mesh.redis, mesh.keys)).toEqual({ released: 0, failed: 0, heldFor: [] });
    // The same tasks as if they were held for a circuit.
    await mesh.redis.rename(mesh.keys.heldTasks('default', 'after'), mesh.keys.heldTasks('default', 'circuit:m'));
    await mesh.redis.multi().srem(mesh.keys.held, 'default after').sadd(mesh.keys.held, 'default circuit:m').exec();
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: count });
    expect((await mesh.redis.lrange(mesh.keys.pool('default', 'wait'), 0, -1)).toReversed()).toEqual(ids);

    const more = await mesh.producer.enqueue(Array.from({ length: count }, () => newTask({ after })));
    const other = await mesh.node('mac-3', { pool: 'other' });
    const claim = await other.claim();
    if (!claim) throw new Error('nothing to claim');
    await other.report(claim, { ok: false, error: { kind: 'invalid', message: 'x', retryable: false } });
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ failed: more.length });
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });
});
