import { beforeEach, describe, expect, it } from 'vitest';
import { connectRedis, openRedis } from '../../src/redis/connection.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import type { SweepOptions } from '../../src/registry/sweeping.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { shiftTimes } from '../support/process-mesh.ts';
import { sweepHow } from '../support/sweep-how.ts';

/**
 * Leases and graces of a few ms stand for seconds: what is tested is the order of things, which Redis' clock decides.
 */
describe('a sweep', () => {
  let mesh: TestMesh;
  const current = meshPerTest('s');
  beforeEach(() => {
    mesh = current();
  });

  const sweep = (changed: Partial<SweepOptions> = {}, nodeId = 'sweeper') =>
    mesh.registry.sweep(sweepHow(nodeId, { graceMs: 50, ...changed }));
  /** The first sweep of a mesh gives everybody a lease; most tests are about what comes after it. */
  const settled = async (leaseMs = 1) => {
    await sweep({ leaseMs, graceMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5)); // Redis' clock has to move on
  };
  const endLease = (nodeId: string) => mesh.redis.zadd(mesh.keys.leases, 1, nodeId);
  const subscriber = async (channel: string) => {
    const client = connectRedis(mesh.target, 'subscriber', 'test');
    await openRedis(client, mesh.target);
    await client.subscribe(channel);
    return client;
  };
  const incarnationOf = async (nodeId: string) => Number(await mesh.redis.hget(mesh.keys.incarnations, nodeId));

  it('requeues the tasks of all pools although one pool fails', async () => {
    for (const pool of ['b', 'c', 'd']) {
      await mesh.producer.enqueue([newTask({ pool })]);
      await claimNext(await mesh.node('mac-1', { pool }));
    }
    await mesh.registry.evict('mac-1', 15_000);
    const [first = '', ...others] = await mesh.redis.smembers(mesh.keys.pools);
    await mesh.redis.set(mesh.keys.pool(first, 'active'), 'mangled');
    await expect(mesh.requeue()).rejects.toThrow('WRONGTYPE');
    const counts = await mesh.reader.counts(others);
    expect([...counts.values()].map(({ waiting, active }) => [waiting, active])).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it('declares a node dead once its lease has ended, whichever and however many nodes sweep', async () => {
    await mesh.node('mac-1');
    await settled();
    await endLease('mac-1');
    const sweeps = await Promise.all([sweep(), sweep(), sweep()]);
    expect(sweeps.flatMap(({ deaths }) => deaths)).toEqual([
      { nodeId: 'mac-1', incarnation: 1, reason: 'heartbeat', silentMs: expect.any(Number) },
    ]);
    expect(await incarnationOf('mac-1')).toBe(2);
  });

  it('records once which nodes came up and which died', async () => {
    const events = async () =>
      (await new EventLog(mesh.redis, mesh.keys).newest({ limit: 10 })).map((event) => [
        event.event,
        event.node,
        event.reason,
      ]);
    await mesh.node('mac-1');
    await settled();
    await endLease('mac-1');
    await Promise.all([sweep(), sweep()]);
    await mesh.node('mac-1');
    expect(await events()).toEqual([
      ['node-up', 'mac-1', null],
      ['node-dead', 'mac-1', 'heartbeat'],
      ['node-up', 'mac-1', null],
    ]);
  });

  it('gives every node one more lease if the last sweep was long ago', async () => {
    await mesh.node('mac-1');
    await settled();
    await endLease('mac-1');
    await mesh.redis.hset(mesh.keys.sweep, 'stallAt', 1);
    expect((await sweep()).deaths).toEqual([]);
    expect((await sweep()).deaths).toEqual([]);
    await mesh.redis.hset(mesh.keys.sweep, 'leasesFrom', 1);
    expect((await sweep()).deaths).toHaveLength(1);
  });

  it('takes a heartbeat for a sign that Redis was not frozen, unless Redis was frozen before it', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 15_000);
    await settled();
    const beatSoonAfter = () =>
      mesh.registry.beat(
        { nodeId: 'mac-1', incarnation },
        aNodeRecord({ incarnation }),
        sweepHow('mac-1', { intervalMs: 3_600_000, stallMs: 7_200_000, idleStallMs: 7_200_000 }),
      );
    const stallAt = async () => Number(await mesh.redis.hget(mesh.keys.sweep, 'stallAt'));
    const before = await stallAt();
    await beatSoonAfter();
    expect(await stallAt()).toBeGreaterThan(before + 3_600_000);
    await mesh.redis.hset(mesh.keys.sweep, 'stallAt', 1);
    await beatSoonAfter();
    expect(await stallAt()).toBe(1);
  });

  it('takes a lost presence for a crash, after the grace', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 60_000);
    const client = await subscriber(mesh.registry.presenceChannel({ nodeId: 'mac-1', incarnation }));
    await settled();
    expect((await sweep()).deaths).toEqual([]);
    client.disconnect();
    await expect.poll(async () => (await sweep()).dueMs).toBeGreaterThan(0);
    await expect
      .poll(async () => (await sweep()).deaths, { interval: 10 })
      .toEqual([expect.objectContaining({ nodeId: 'mac-1', reason: 'crash' })]);
  });

  it('forgives an absence within the grace', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 60_000);
    const channel = mesh.registry.presenceChannel({ nodeId: 'mac-1', incarnation });
    const first = await subscriber(channel);
    await settled();
    await sweep();
    first.disconnect();
    await expect.poll(async () => (await sweep({ graceMs: 60_000 })).dueMs).toBeGreaterThan(0);
    const second = await subscriber(channel);
    expect(await sweep({ graceMs: 0 })).toMatchObject({ deaths: [], dueMs: 0 });
    second.disconnect();
  });

  it('ignores an absence on another run of the Redis server', async () => {
    await mesh.registry.register('mac-1', ['default'], 60_000);
    await settled();
    await mesh.redis.hset(mesh.keys.presence, 'mac-1', '1@another-run');
    await sweep({ graceMs: 0 });
    expect(await sweep({ graceMs: 0 })).toMatchObject({ deaths: [], dueMs: 0 });
  });

  it('finds a dead node within its lease although Redis’ clock has gone back', async () => {
    await mesh.node('mac-1');
    await settled();
    await shiftTimes(mesh.redis, mesh.keys, 3_600_000);
    await sweep({ leaseMs: 50 });
    const leaseEnds = Number(await mesh.redis.zscore(mesh.keys.leases, 'mac-1'));
    expect(leaseEnds).toBeLessThanOrEqual((await mesh.registry.redisTime()) + 50);
    await expect
      .poll(async () => (await sweep({ leaseMs: 50 })).deaths)
      .toEqual([expect.objectContaining({ nodeId: 'mac-1', reason: 'heartbeat' })]);
  });

  it('respects a node’s own longer lease, even after the clock has gone back', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 600_000);
    const record = aNodeRecord({ incarnation, leaseMs: 600_000 });
    await mesh.registry.beat({ nodeId: 'mac-1', incarnation }, record, sweepHow('mac-1', { leaseMs: 600_000 }));
    const leaseEnds = () => mesh.redis.zscore(mesh.keys.leases, 'mac-1').then(Number);
    const before = await leaseEnds();
    await sweep({ leaseMs: 50 });
    expect(await leaseEnds()).toBe(before);
    await shiftTimes(mesh.redis, mesh.keys, 3_600_000);
    await sweep({ leaseMs: 50 });
    expect((await leaseEnds()) - (await mesh.registry.redisTime())).toBeGreaterThan(500_000);
    expect((await leaseEnds()) - (await mesh.registry.redisTime())).toBeLessThanOrEqual(600_000);
  });

  it('judges a node that disappears within the grace although Redis’ clock has gone back', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 60_000);
    await mesh.redis.hset(mesh.keys.nodes, 'mac-1', JSON.stringify(aNodeRecord({ incarnation, leaseMs: 60_000 })));
    const client = await subscriber(mesh.registry.presenceChannel({ nodeId: 'mac-1', incarnation }));
    await settled();
    await sweep();
    client.disconnect();
    await expect.poll(async () => (await sweep({ graceMs: 60_000 })).dueMs).toBeGreaterThan(0);
    await shiftTimes(mesh.redis, mesh.keys, 3_600_000);
    await expect
      .poll(async () => (await sweep()).deaths, { interval: 10 })
      .toEqual([expect.objectContaining({ nodeId: 'mac-1', reason: 'crash' })]);
  });

  it('does not postpone its verdict forever if its own notes are nonsense', async () => {
    await mesh.node('mac-1');
    await settled();
    await endLease('mac-1');
    const far = 2 ** 53;
    await mesh.redis.hset(mesh.keys.sweep, { leasesFrom: far, presenceFrom: far, resumedAt: far, passAt: 'x' });
    await expect.poll(async () => (await sweep({ leaseMs: 50 })).deaths).toHaveLength(1);
    expect(Number(await mesh.redis.hget(mesh.keys.sweep, 'resumedAt'))).toBeLessThan(far);
  });

  it('returns early if another sweep has just ended', async () => {
    await mesh.node('mac-1');
    await settled();
    await endLease('mac-1');
    await sweep({ leaseMs: 60_000 });
    await mesh.node('mac-2');
    await endLease('mac-2');
    expect((await sweep({ intervalMs: 60_000 })).deaths).toEqual([]);
  });

  it('reports whether there is work, the rank of the node, and which node checks all claims', async () => {
    await mesh.node('mac-1');
    const mac2 = await mesh.node('mac-2');
    expect(await sweep({}, 'mac-2')).toMatchObject({ nodes: 2, rank: 1, busy: false, pass: false });
    await mesh.producer.enqueue([newTask()]);
    expect(await sweep({}, 'mac-1')).toMatchObject({ rank: 0, busy: true, waiting: true, pass: false });
    const claim = await claimNext(mac2);
    const [first, second] = [await sweep({}, 'mac-1'), await sweep({}, 'mac-2')];
    expect([first, second]).toMatchObject([
      { busy: true, waiting: false, pass: true },
      { busy: true, pass: false },
    ]);
    await mac2.report(claim, success);
    expect(await sweep({ intervalMs: 60_000 }, 'mac-1')).toMatchObject({ rank: undefined, busy: true });
    expect(await sweep({}, 'mac-1')).toMatchObject({ busy: false });
  });

  it('has all claims checked again after their interval, however long the grace is', async () => {
    await mesh.producer.enqueue([newTask()]);
    await claimNext(await mesh.node('mac-1'));
    expect(await sweep({ graceMs: 1, passMs: 60_000 })).toMatchObject({ pass: true });
    await new Promise((resolve) => setTimeout(resolve, 5)); // Redis' clock has to move on
    expect(await sweep({ graceMs: 1, passMs: 60_000 })).toMatchObject({ pass: false });
    expect(await sweep({ graceMs: 60_000, passMs: 1 })).toMatchObject({ pass: true });
  });

  it('sweeps with a heartbeat, but not with that of a fenced node', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 15_000);
    await mesh.node('mac-2');
    await settled();
    await endLease('mac-2');
    const record = aNodeRecord({ incarnation });
    const { swept } = await mesh.registry.beat({ nodeId: 'mac-1', incarnation }, record, sweepHow('mac-1'));
    expect(swept).toMatchObject({ pending: 1, deaths: [{ nodeId: 'mac-2', reason: 'heartbeat' }] });
    await mesh.node('mac-2');
    await endLease('mac-2');
    await mesh.registry.evict('mac-1', 15_000);
    await expect(mesh.registry.beat({ nodeId: 'mac-1', incarnation }, record, sweepHow('mac-1'))).rejects.toThrow(
      /replaced or declared dead/,
    );
    expect((await sweep()).deaths).toMatchObject([{ nodeId: 'mac-2' }]);
  });

  it('checks more nodes than Lua can pass at once', async () => {
    const ids = Array.from({ length: 12_000 }, (_, i) => `n${i}`);
    await mesh.redis.hset(mesh.keys.incarnations, ...ids.flatMap((id) => [id, 1]));
    await settled();
    await mesh.redis.zadd(mesh.keys.leases, ...ids.flatMap((id, i) => [i < 11_999 ? Date.now() + 60_000 : 1, id]));
    const { nodes, deaths } = await sweep();
    expect({ nodes, deaths }).toMatchObject({ nodes: 12_000, deaths: [{ nodeId: 'n11999' }] });
  });

  it('reports more deaths with a heartbeat than Lua can pass at once', async () => {
    const { incarnation } = await mesh.registry.register('mac-1', ['default'], 15_000);
    const ids = Array.from({ length: 3_000 }, (_, i) => `n${i}`);
    await mesh.redis.hset(mesh.keys.incarnations, ...ids.flatMap((id) => [id, 1]));
    await settled();
    await mesh.redis.zadd(mesh.keys.leases, ...ids.flatMap((id) => [1, id]));
    const record = aNodeRecord({ incarnation });
    const { swept } = await mesh.registry.beat({ nodeId: 'mac-1', incarnation }, record, sweepHow('mac-1'));
    expect(swept.deaths).toHaveLength(3_000);
  });

  it('finds the tasks of a dead node by their locks alone, without any record of the death', async () => {
    const [task] = await mesh.producer.enqueue([newTask({ priority: 7 })]);
    await claimNext(await mesh.node('mac-1'));
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.redis.del(mesh.keys.deaths);
    expect(await mesh.requeue()).toEqual([task?.id]);
    const again = await claimNext(await mesh.node('mac-2'));
    expect(again).toMatchObject({ taskId: task?.id, handovers: 1 });
    expect(await mesh.reader.get(again.taskId)).toMatchObject({ priority: 7 });
  });

  it('lets exactly one win when a report races the requeue', async () => {
    for (let round = 0; round < 20; round++) {
      const [task] = await mesh.producer.enqueue([newTask()]);
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      const [report, , requeue] = await Promise.allSettled([
        node.report(claim, success),
        mesh.registry.evict('mac-1', 15_000),
        mesh.requeue(),
      ]);
      const state = (await mesh.reader.get(task?.id ?? ''))?.state;
      const back = requeue.status === 'fulfilled' && requeue.value.length === 1;
      expect([report.status === 'fulfilled', back].filter(Boolean).length).toBeLessThanOrEqual(1);
      expect(state).toBe(report.status === 'fulfilled' ? 'completed' : back ? 'waiting' : 'active');
      await mesh.requeue();
      const other = await mesh.node('mac-2');
      if (state !== 'completed') await other.report(await claimNext(other), success);
    }
  });

  it('requeues tasks of a paused pool without starting them', async () => {
    const [task] = await mesh.producer.enqueue([newTask()]);
    await claimNext(await mesh.node('mac-1'));
    await mesh.redis.hset(mesh.keys.pool('default', 'meta'), 'paused', 1);
    await mesh.registry.evict('mac-1', 15_000);
    expect(await mesh.requeue()).toEqual([task?.id]);
    expect(await (await mesh.node('mac-2')).claim()).toBeUndefined();
    expect(await mesh.reader.get(task?.id ?? '')).toMatchObject({ state: 'waiting' });
  });

  it('keeps the tasks of the earlier incarnation for a node that is about to adopt them', async () => {
    const [task] = await mesh.producer.enqueue([newTask()]);
    const old = await mesh.node('mac-1');
    const claim = await claimNext(old);
    await mesh.registry.register('mac-1', ['default'], 15_000, 60_000);
    expect(await mesh.requeue()).toEqual([]);
    expect(await mesh.registry.pendingDeaths()).toEqual([]);
    await expect(old.report(claim, success)).rejects.toMatchObject({ code: 'fenced' });
    await mesh.registry.endReservation({ nodeId: 'mac-1', incarnation: 1 });
    expect(await mesh.requeue()).toEqual([task?.id]);
  });
});
