import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliProcess } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('a node whose Redis was emptied or mangled', () => {
  let mesh: ProcessMesh;
  let node: CliProcess;
  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
    node = await mesh.startNode('mac-1');
  });
  afterEach(() => mesh.stop());

  const pool = (what: string) => async () => (await mesh.store()).keys.pool('default', what);
  const runsATask = async () => {
    const { registry } = await mesh.store();
    await expect.poll(async () => (await registry.list()).map(({ state }) => state)).toEqual(['up']);
    const id = await mesh.queueOne('hello');
    await mesh.taskState(id, 'completed');
    expect(node.child.exitCode).toBeNull();
  };

  it.each([
    ['the marker of its pool', pool('marker')],
    ['the offers of its pool', async () => (await mesh.store()).keys.freeSlots('default')],
    ['the active list of its pool', pool('active')],
    ['the events of its pool', pool('events')],
  ])('comes back after it is fenced while a foreign value is in place of %s', async (_, keyOf) => {
    const { redis, keys, registry } = await mesh.store();
    const key = await keyOf();
    await redis.multi().del(key).set(key, 'x').exec();
    await registry.evict('mac-1', 1_000);
    await node.waitFor(/node is down/);
    await redis.del(key);
    await expect.poll(async () => Number(await redis.hget(keys.incarnations, 'mac-1'))).toBeGreaterThan(2);
    await runsATask();
  });

  it('comes back after Redis is emptied again and again, even during registration, with its connections cut', async () => {
    const { redis } = await mesh.store();
    for (let round = 0; round < 10; round++) {
      await redis.flushall();
      if (round % 3 === 0) await redis.client('KILL', 'TYPE', 'PUBSUB');
      if (round % 3 === 1) await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      if (round % 3 === 2) await redis.script('FLUSH');
      // Redis is emptied at another moment of each incarnation's start.
      await expect.poll(() => redis.dbsize(), { interval: 5 }).toBeGreaterThan(0);
    }
    await redis.flushall();
    await runsATask();
  });
});
