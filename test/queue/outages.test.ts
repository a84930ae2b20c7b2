import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { type Outcome, taskError } from '../../src/domain/task.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { listCircuits } from '../../src/queue/circuits.ts';
import { releaseHeld } from '../../src/queue/held-tasks.ts';
import { claimNext, idleOffer, makeProbesDue, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

/** Three failures in a row open a circuit; probes come after 100 ms at least. */
describe('a provider in trouble', () => {
  let mesh: TestMesh;
  const current = meshPerTest('o');
  beforeEach(() => {
    mesh = current();
  });

  const failure = (kind: 'provider' | 'rate_limit' | 'crash', retryAfterMs?: number): Outcome => ({
    ok: false,
    error: { ...taskError(kind, 'HTTP 500'), retryAfterMs },
  });
  const enqueue = async (n: number, fields: Parameters<typeof newTask>[0] = {}) =>
    (await mesh.producer.enqueue(Array.from({ length: n }, () => newTask(fields)))).map(({ id }) => id);
  const fail = async (node: PoolConsumer, kind: 'provider' | 'rate_limit' = 'provider') => {
    const claim = await claimNext(node);
    return { claim, ...(await node.report(claim, failure(kind))) };
  };
  const counts = async () => (await mesh.reader.counts(['default'])).get('default');
  const circuits = () => listCircuits(mesh.redis, mesh.keys);
  const release = async () => {
    const { released, failed } = await releaseHeld(mesh.redis, mesh.keys);
    return { released, failed };
  };
  /** As in {@link release}, once the next probe is due. */
  const releaseDue = async () => {
    await makeProbesDue(mesh);
    return release();
  };
  /** Claims everything there is; what is held back does not come. */
  const claimAll = async (node: PoolConsumer) => {
    const claims: Claim[] = [];
    for (let i = 0; i < 20; i++) {
      const left = await mesh.redis.llen(mesh.keys.pool('default', 'wait'));
      if (left === 0) break;
      const claim = await node.claim();
      if (claim) claims.push(claim);
    }
    return claims;
  };
  const open = async (node: PoolConsumer) => {
    for (let i = 0; i < 3; i++) await fail(node);
  };

  it('stops its tasks on all nodes after some failures in a row, and lets those of others go on', async () => {
    const ids = await enqueue(5);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    expect((await fail(one)).settled).toBe('retry');
    expect((await fail(two)).settled).toBe('retry');
    expect((await fail(one)).settled).toBe('held');
    const [other] = await enqueue(1, { model: 'other/model' });
    expect((await claimAll(two)).map((claim) => claim.taskId)).toEqual([other]);
    expect(await circuits()).toMatchObject([{ name: 'default', failures: 3, kind: 'provider', probe: null }]);
    const task = await mesh.reader.get(ids[4] as string);
    expect(task).toMatchObject({ state: 'waiting', heldBy: 'circuit default', attempts: { made: 0 } });
    expect(task?.history.map(({ event }) => event)).toEqual(['enqueued']);
    expect(await counts()).toMatchObject({ waiting: 3, active: 1, delayed: 2 });
    expect((await mesh.reader.list({ state: 'waiting', limit: 10 })).length).toBe(3);
    expect((await mesh.reader.list({ state: 'delayed', limit: 10 })).length).toBe(2);
  });

  it('starts counting again after a success', async () => {
    await enqueue(4);
    const node = await mesh.node('mac-1');
    await fail(node);
    await fail(node);
    await node.report(await claimNext(node), success);
    expect((await fail(node)).settled).toBe('retry');
    expect(await circuits()).toMatchObject([{ failures: 1, openedAt: null }]);
  });

  it('is tried by one task at a time, and by all again once that succeeds', async () => {
    const ids = await enqueue(6);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await open(one);
    expect(await claimAll(two)).toEqual([]);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    expect(await releaseDue()).toEqual({ released: 1, failed: 0 });
    const probe = await claimNext(two);
    expect(ids).toContain(probe.taskId);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    await enqueue(1);
    expect(await claimAll(one)).toEqual([]);
    await two.report(probe, success);
    expect(await circuits()).toEqual([]);
    expect((await release()).released).toBe(4);
    expect((await claimAll(one)).length).toBe(4);
  });

  it('is left alone again when the probe fails, which costs the task no attempt', async () => {
    const [id] = await enqueue(4);
    const node = await mesh.node('mac-1');
    await open(node);
    await claimAll(node);
    expect((await releaseDue()).released).toBe(1);
    const probe = await claimNext(node);
    expect(probe).toMatchObject({ attempt: 1 });
    expect(await node.report(probe, failure('provider'))).toMatchObject({ settled: 'held' });
    const task = await mesh.reader.get(probe.taskId);
    expect(task).toMatchObject({ state: 'waiting', attempts: { made: 0 }, heldBy: 'circuit default' });
    expect(task?.history.at(-1)).toMatchObject({ event: 'retry', reason: 'provider: HTTP 500' });
    expect((await mesh.reader.get(id as string))?.attempts.made).toBe(1);
    expect((await releaseDue()).released).toBe(1);
    expect(await claimNext(node)).toMatchObject({ attempt: 1 });
  });

  it('opens at once for a rate limit, for as long as the provider asks', async () => {
    await enqueue(2);
    const node = await mesh.node('mac-1');
    const report = await node.report(await claimNext(node), failure('rate_limit', 60_000));
    expect(report.settled).toBe('held');
    const [circuit] = await circuits();
    const wait = Date.parse(circuit?.nextProbeAt ?? '') - Date.parse(circuit?.openedAt ?? '');
    expect(wait).toBe(60_000);
    expect(await claimAll(node)).toEqual([]);
  });

  it('lets another task try when the probe’s node dies, its run crashes, or it is cancelled', async () => {
    await enqueue(6);
    const node = await mesh.node('mac-1');
    await open(node);
    await claimAll(node);
    expect((await releaseDue()).released).toBe(1);
    const lost = await claimNext(node);
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.putBack();
    const second = await mesh.node('mac-2');
    const again = await claimNext(second);
    expect(again.taskId).toBe(lost.taskId);
    expect(await second.report(again, failure('crash'))).toMatchObject({ settled: 'retry' });
    expect((await releaseDue()).released).toBe(1);
    const cancelled = (await mesh.reader.list({ state: 'waiting', limit: 10 })).find((task) => task.heldBy === null);
    expect(await mesh.control.cancel(cancelled as NonNullable<typeof cancelled>, 'by hand')).toBe('cancelled');
    expect((await releaseDue()).released).toBe(1);
  });

  it('does not believe a success that began before the outage', async () => {
    await enqueue(5);
    const node = await mesh.node('mac-1');
    const early = await claimNext(node);
    await new Promise((resolve) => setTimeout(resolve, 5)); // Redis' clock has to move on
    await open(node);
    await node.report(early, success);
    expect(await circuits()).toMatchObject([{ openedAt: expect.any(String) }]);
  });

  it('takes no next task with a completion that is too old to know of the outage', async () => {
    await enqueue(5);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const claim = await claimNext(one);
    await open(two);
    const { next } = await one.report(claim, success, idleOffer);
    expect(next).toBeUndefined();
    expect(await claimAll(one)).toEqual([]);
  });

  it('that refuses one node’s login has its task run by another, at no cost', async () => {
    const [id] = await enqueue(1);
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await one.passOn(await claimNext(one), 'auth on mac-1: HTTP 401');
    const claim = await claimNext(two);
    expect(claim).toMatchObject({ taskId: id, attempt: 1, handovers: 0, holds: 1, refusedOn: 'mac-1' });
  });
});
