import { beforeEach, describe, expect, it } from 'vitest';
import { EventLog } from '../../src/registry/event-log.ts';
import { forgetNode } from '../../src/registry/forget-nodes.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

// Each of these was found by a mutant that no test had noticed (`npm run mutants`).

let mesh: TestMesh;
const current = meshPerTest('forget');
beforeEach(() => {
  mesh = current();
});

const enqueue = async (fields: Parameters<typeof newTask>[0] = {}) =>
  (await mesh.producer.enqueue([newTask(fields)]))[0]?.id ?? '';
const events = async () => {
  const newest = await new EventLog(mesh.redis, mesh.keys).newest({ limit: 100 });
  return newest.filter(({ event }) => !event.startsWith('node-'));
};

describe('a forgotten node', () => {
  const forget = (nodeId: string) => forgetNode(mesh.redis, mesh.keys, nodeId);

  it('forgets only a known node that is down and claims no task, and else changes nothing', async () => {
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
    expect(refused).toMatchObject({ outcome: 'has-claims', tasks: expect.arrayContaining(ids) });
    expect(refused).toHaveProperty('tasks.length', 2);
    expect(await mesh.redis.hget(mesh.keys.incarnations, 'mac-1')).toBe('1');
    expect((await events()).length).toBe(0);
  });

  it('leaves nothing behind except its last incarnation, and registers as a new node later', async () => {
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
