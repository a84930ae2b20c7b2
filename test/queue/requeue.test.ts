import { beforeEach, describe, expect, it } from 'vitest';
import { requeueOrphanedClaims } from '../../src/queue/bullmq/requeue.ts';
import { HandoverLog } from '../../src/queue/handover-log.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import { claimNext, meshPerTest, newTask, type TestMesh } from '../support/pool.ts';
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

describe('a requeued task', () => {
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
  ])('records in its history and in the handover log how its node was lost (%s)', async (reason, lose) => {
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

  it('emits an event at the third handover, and fails the task with an event at one more than allowed', async () => {
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
