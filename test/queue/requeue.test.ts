import { beforeEach, describe, expect, it } from 'vitest';
import { requeueOrphanedClaims } from '../../src/queue/bullmq/requeue.ts';
import { HandoverLog } from '../../src/queue/handover-log.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import { forgetNode } from '../../src/registry/forget-nodes.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

// Each of these was found by a mutant that no test had noticed (`npm run mutants`).

let mesh: TestMesh;
const current = meshPerTest('h');
beforeEach(() => {
  mesh = current();
});

const enqueue = async (fields: Parameters<typeof newTask>[0] = {}) =>
  (await mesh.producer.enqueue([newTask(fields)]))[0]?.id ?? '';
const requeue = (maxHandovers = 5) =>
  requeueOrphanedClaims(mesh.redis, mesh.keys, { visibilityTimeoutMs: 1_000, maxHandovers });
const events = async () => {
  const newest = await new EventLog(mesh.redis, mesh.keys).newest({ limit: 100 });
  return newest.filter(({ event }) => !event.startsWith('node-'));
};

describe('a task that was put back', () => {
  it.each([
    ['evicted', () => mesh.registry.evict('mac-1', 15_000)],
    ['crash', () => mesh.registry.register('mac-1', ['default'], 15_000)],
    [
      'heartbeat',
      async () => {
        // The first sweep of a mesh gives everybody a lease more.
        const sweep = async () => (await mesh.registry.sweep(sweepHow('sweeper', { leaseMs: 1, graceMs: 1 }))).deaths;
        await sweep();
        await mesh.redis.zadd(mesh.keys.leases, 1, 'mac-1');
        await expect.poll(sweep).toHaveLength(1);
      },
    ],
  ])('says in its history, and in the handover log, how its node was lost (%s)', async (reason, lose) => {
    const id = await enqueue();
    await claimNext(await mesh.node('mac-1'));
    await lose();
    expect(await requeue()).toEqual([{ taskId: id, pool: 'default', from: 'mac-1', reason }]);
    const task = await mesh.reader.get(id);
    expect(task?.history.map(({ event, reason: why }) => [event, why]).at(-1)).toEqual(['handover', reason]);
    expect(await new HandoverLog(mesh.redis, mesh.keys, mesh.reader).list({ limit: 5 })).toMatchObject([
      { taskId: id, from: 'mac-1', reason },
    ]);
  });

  it('for the third time is an event, and fails with one where it may not be requeued once more', async () => {
    const id = await enqueue();
    const loseIt = async (maxHandovers: number) => {
      await claimNext(await mesh.node('mac-1'));
      await mesh.registry.evict('mac-1', 15_000);
      return requeue(maxHandovers);
    };
    for (let n = 0; n < 2; n++) await loseIt(3);
    expect(await events()).toEqual([]);
    expect(await loseIt(3)).toHaveLength(1);
    expect(await events()).toMatchObject([
      { event: 'repeated-failover', task: id, pool: 'default', node: 'mac-1', reason: 'evicted' },
    ]);
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'waiting' });
    await loseIt(3);
    const reason = 'lost with its node 4 times, last with mac-1 (evicted)';
    expect((await events()).slice(1)).toMatchObject([
      { event: 'dead-letter', task: id, pool: 'default', node: 'mac-1', reason },
    ]);
    expect(await mesh.reader.get(id)).toMatchObject({
      state: 'failed',
      error: { kind: 'handover_limit', message: reason },
    });
  });
});

describe('a session', () => {
  it('leaves a node that stops, though its lease still runs and nobody has drained it', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue({ session: 'chat' });
    await one.report(await claimNext(one), success);
    const owner = { nodeId: 'mac-1', incarnation: 1 };
    await mesh.registry.beat(owner, aNodeRecord(), sweepHow('mac-1'));
    const id = await enqueue({ session: 'chat' });
    expect(await two.claim(), 'it waits for its node').toBeUndefined();
    await mesh.registry.beat(owner, aNodeRecord({ state: 'draining' }), sweepHow('mac-1'));
    const next = await enqueue({ session: 'chat' });
    expect(await two.claim(), 'those before it come first').toBeUndefined();
    expect(await two.claimHeld('session:|chat')).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
    expect(await mesh.reader.get(next)).toMatchObject({ heldBy: 'session chat' });
  });
});

describe('a node that somebody has forgotten', () => {
  const forget = (nodeId: string) => forgetNode(mesh.redis, mesh.keys, nodeId);

  it('is not known, not there and holds no task, or nothing is changed', async () => {
    expect(await forget('mac-1')).toEqual({ outcome: 'unknown' });
    expect(await forget('')).toEqual({ outcome: 'unknown' });
    const ids = [await enqueue(), await enqueue()];
    await enqueue({ pool: 'other' });
    const node = await mesh.node('mac-1');
    for (const _ of ids) await claimNext(node);
    expect(await forget('mac-1')).toEqual({ outcome: 'up' });
    await claimNext(await mesh.node('mac-2', { pool: 'other' }));
    await mesh.redis.zrem(mesh.keys.leases, 'mac-1');
    const refused = await forget('mac-1');
    expect(refused).toMatchObject({ outcome: 'holds', tasks: expect.arrayContaining(ids) });
    expect(refused).toHaveProperty('tasks.length', 2);
    expect(await mesh.redis.hget(mesh.keys.incarnations, 'mac-1')).toBe('1');
    expect((await events()).length).toBe(0);
  });

  it('leaves nothing behind but that it was there, and comes back as a new one', async () => {
    await enqueue();
    const node = await mesh.node('mac-1', { strategy: 'round-robin' });
    await mesh.registry.beat({ nodeId: 'mac-1', incarnation: 1 }, aNodeRecord(), sweepHow('mac-1'));
    await node.report(await claimNext(node), success);
    await mesh.redis.set(`${mesh.keys.bullPrefix}/wakeup:default mac-1`, 'x');
    await mesh.registry.evict('mac-1', 15_000);
    expect(await forget('mac-1')).toEqual({ outcome: 'forgotten' });
    const { incarnations, nodes, leases, absent, presence, absentSince, control, serves, deaths, lastTokens } =
      mesh.keys;
    for (const key of [incarnations, nodes, presence, absentSince, control, serves]) {
      expect(await mesh.redis.hexists(key, 'mac-1'), key).toBe(0);
    }
    expect(await mesh.redis.zscore(leases, 'mac-1')).toBeNull();
    expect(await mesh.redis.hgetall(deaths)).toEqual({});
    expect(await mesh.redis.hexists(lastTokens, 'default:mac-1')).toBe(0);
    expect(await mesh.redis.exists(`${mesh.keys.bullPrefix}/wakeup:default mac-1`)).toBe(0);
    expect(await mesh.redis.hget(absent, 'mac-1')).toMatch(/^0 \d+$/);
    const [last] = (await new EventLog(mesh.redis, mesh.keys).newest({ limit: 100 })).slice(-1);
    expect(last).toMatchObject({ event: 'node-forgotten', node: 'mac-1' });
    expect((await mesh.registry.register('mac-1', ['default'], 15_000)).incarnation).toBe(3);
  });
});
