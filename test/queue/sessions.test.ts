import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, idleOffer, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

const REASON = 'session:|chat';

describe('tasks of one session', () => {
  let mesh: TestMesh;
  const current = meshPerTest('s');
  beforeEach(() => {
    mesh = current();
  });

  const enqueue = async (fields: Parameters<typeof newTask>[0] = {}) =>
    (await mesh.producer.enqueue([newTask({ session: 'chat', ...fields })]))[0]?.id ?? '';
  const read = async (id: string) => mesh.reader.get(id);
  const finish = (node: PoolConsumer, claim: Claim | undefined) => node.report(claim as Claim, success);
  const release = () => releaseHeld(mesh.redis, mesh.keys);
  /** Asks until nothing is left that this node may have. */
  const claimAll = async (node: PoolConsumer) => {
    const claims: Claim[] = [];
    for (let i = 0; i < 6; i++) {
      const claim = await node.claim();
      if (claim) claims.push(claim);
    }
    return claims;
  };

  it('runs the tasks of a session one at a time, in order, and does not block others', async () => {
    const ids = [await enqueue(), await enqueue(), await enqueue()];
    const other = await enqueue({ session: undefined });
    const node = await mesh.node('mac-1');
    const claims = await claimAll(node);
    expect(claims.map(({ taskId }) => taskId)).toEqual([ids[0], other]);
    expect(await read(ids[1] ?? '')).toMatchObject({ state: 'waiting', heldBy: 'session chat' });
    expect(await node.claimHeld(REASON), 'the first one is under way').toBeUndefined();
    await finish(node, claims[0]);
    const second = await node.claimHeld(REASON);
    expect(second?.taskId).toBe(ids[1]);
    await finish(node, second);
    const third = await node.claimHeld(REASON);
    expect(third?.taskId).toBe(ids[2]);
    await finish(node, third);
    expect((await read(ids[2] ?? ''))?.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'completed']);
    await release();
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });

  it('sends the tasks of a session to its sticky node, which is notified of each', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    await finish(one, await one.claim());
    const told: string[] = [];
    const listener = mesh.redis.duplicate();
    await listener.subscribe(mesh.registry.presenceChannel({ nodeId: 'mac-1', incarnation: 1 }));
    listener.on('message', (_channel, message) => told.push(message));
    const id = await enqueue();
    expect(await two.claim()).toBeUndefined();
    await expect.poll(() => told).toEqual([`held default ${REASON}`]);
    listener.disconnect();
    expect((await release()).heldFor).toEqual([{ pool: 'default', why: REASON, node: 'mac-1' }]);
    const claim = await one.claimHeld(REASON);
    expect(claim).toMatchObject({ taskId: id, movedFrom: undefined });
    await finish(one, claim);
    expect(await read(id)).toMatchObject({ node: 'mac-1', session: 'chat' });
  });

  it('keeps sessions apart by agent and by name', async () => {
    await enqueue({ agent: 'a' });
    await enqueue({ agent: 'b' });
    await enqueue({ session: 'other' });
    await enqueue({ agent: 'a' });
    expect(await claimAll(await mesh.node('mac-1'))).toHaveLength(3);
  });

  it('keeps the order of a session while its first task fails and waits for its next attempt', async () => {
    const ids = [await enqueue({ backoffMs: 1 }), await enqueue()];
    const node = await mesh.node('mac-1');
    const first = await node.claim();
    await node.report(first as Claim, { ok: false, error: taskError('crash', 'x') });
    expect(await node.claimHeld(REASON), 'the second one waits for the end of the first').toBeUndefined();
    const again = await claimNext(node);
    expect(again).toMatchObject({ taskId: ids[0], attempt: 2 });
    await finish(node, again);
    expect((await node.claimHeld(REASON))?.taskId).toBe(ids[1]);
  });

  it('moves a session to another node once its node is dead, in order, and records the move', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const ids = [await enqueue(), await enqueue(), await enqueue()];
    expect(await claimAll(one)).toHaveLength(1);
    await mesh.registry.evict('mac-1', 15_000);
    await release();
    expect(await two.claim(), 'the first has not been requeued yet').toBeUndefined();
    expect(await mesh.requeue()).toEqual([ids[0]]);
    for (const [index, id] of ids.entries()) {
      const claim = index === 0 ? await claimNext(two) : await two.claimHeld(REASON);
      expect(claim).toMatchObject({ taskId: id, movedFrom: index === 0 ? 'mac-1' : undefined });
      await finish(two, claim);
    }
    expect(await read(ids[0] ?? '')).toMatchObject({ sessionMovedFrom: 'mac-1', handovers: 1, node: 'mac-2' });
    expect(await read(ids[1] ?? '')).toMatchObject({ sessionMovedFrom: null });
  });

  it('lets no task of a session overtake one whose claim has lapsed and is about to be requeued', async () => {
    const [one, other] = [await mesh.node('mac-1'), await mesh.node('mac-2', { pool: 'other' })];
    const lapsed = await enqueue();
    const later = await enqueue({ pool: 'other' });
    await claimNext(one);
    expect(await other.claim(), 'its session is busy').toBeUndefined();
    await mesh.redis.del(`${mesh.keys.task('default', lapsed)}:lock`);
    // The first call only notes since when the session waits.
    for (let call = 0; call < 2; call++) {
      const { released } = await releaseHeld(mesh.redis, mesh.keys, { stickyTimeoutMs: 0 });
      expect(released).toBe(0);
    }
    expect(await mesh.requeue()).toEqual([lapsed]);
    await finish(one, await claimNext(one));
    expect(await read(lapsed)).toMatchObject({ state: 'completed' });
    await releaseHeld(mesh.redis, mesh.keys, { stickyTimeoutMs: 0 });
    expect((await claimNext(other)).taskId).toBe(later);
  });

  it('moves a session’s tasks one by one when their node dies between two of them', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    const ids = [await enqueue(), await enqueue()];
    const [first] = await claimAll(one);
    await finish(one, first);
    await mesh.registry.evict('mac-1', 15_000);
    expect(await release()).toMatchObject({ released: 1, heldFor: [] });
    expect(await release(), 'the second one must not overtake it').toMatchObject({ released: 0, heldFor: [] });
    const moved = await claimNext(two);
    expect(moved).toMatchObject({ taskId: ids[0], movedFrom: 'mac-1' });
    expect(await release(), 'the second waits for the end of the first').toMatchObject({ released: 0, heldFor: [] });
    await finish(two, moved);
    expect((await release()).heldFor).toEqual([{ pool: 'default', why: REASON, node: 'mac-2' }]);
    expect((await two.claimHeld(REASON))?.taskId).toBe(ids[1]);
  });

  it('starts a moved session with its last exchanges', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    for (const message of ['the first', 'the second', 'x'.repeat(2_000)]) {
      await enqueue({ message });
      const claim = await one.claim();
      expect(await one.renderMessage(claim as Claim)).toBe(message);
      await finish(one, claim);
    }
    await mesh.registry.evict('mac-1', 15_000);
    await enqueue({ message: 'go on' });
    const message = await two.renderMessage((await two.claim()) as Claim);
    expect(message).toBe(
      '[This conversation has moved from another machine (mac-1). Its last exchanges, oldest first:]\n\n' +
        `> the second\n\ndone\n\n> ${'x'.repeat(1_000)}…\n\ndone\n\n[End of the earlier exchanges. The conversation continues:]\n\ngo on`,
    );
  });

  it('moves a session away from a node whose login the provider has refused', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const id = await enqueue();
    await one.reassign((await one.claim()) as Claim, 'auth on mac-1');
    expect(await two.claim()).toMatchObject({ taskId: id, refusedOn: 'mac-1', movedFrom: 'mac-1' });
  });

  it('moves a session away from a drained node', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    await finish(one, await one.claim());
    await mesh.registry.setDesiredState('mac-1', 'drain');
    const id = await enqueue();
    expect(await two.claim()).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
  });

  it('moves a session away from a node that stops, even while its lease still runs and without a drain', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    await one.report(await claimNext(one), success);
    const owner = { nodeId: 'mac-1', incarnation: 1 };
    await mesh.registry.beat(owner, aNodeRecord(), sweepHow('mac-1'));
    const id = await enqueue();
    expect(await two.claim(), 'it waits for its node').toBeUndefined();
    await mesh.registry.beat(owner, aNodeRecord({ state: 'draining' }), sweepHow('mac-1'));
    const next = await enqueue();
    expect(await two.claim(), 'those before it come first').toBeUndefined();
    expect(await two.claimHeld(REASON)).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
    expect(await mesh.reader.get(next)).toMatchObject({ heldBy: 'session chat' });
  });

  it('holds a task of a busy session even if it is claimed with the report of another task', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    await finish(one, await one.claim());
    const plain = await enqueue({ session: undefined });
    const id = await enqueue();
    const claim = await two.claim();
    expect(claim?.taskId).toBe(plain);
    expect(await two.report(claim as Claim, success, idleOffer)).toEqual({ settled: 'completed', next: undefined });
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'session chat' });
  });

  it('does not wait for a cancelled task of the session', async () => {
    const ids = [await enqueue(), await enqueue(), await enqueue()];
    const node = await mesh.node('mac-1');
    const [first] = await claimAll(node);
    await mesh.control.cancel((await read(ids[1] ?? '')) as NonNullable<Awaited<ReturnType<typeof read>>>, 'by hand');
    await finish(node, first);
    expect((await node.claimHeld(REASON))?.taskId).toBe(ids[2]);
  });

  it('moves the session to the node that its task requires', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue();
    await finish(one, await one.claim());
    const id = await enqueue({ node: 'mac-2' });
    expect(await one.claim()).toBeUndefined();
    const claim = await two.claimHeld('node:mac-2');
    expect(claim).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
    await finish(two, claim);
    await enqueue();
    expect(await one.claim(), 'it is sticky to mac-2 now').toBeUndefined();
  });
});

describe('a task that prefers one node', () => {
  let mesh: TestMesh;
  const current = meshPerTest('f');
  beforeEach(() => {
    mesh = current();
  });

  it('releases a task to the pool once its preferred node is gone, or if it never existed', async () => {
    const enqueue = async (node: string) =>
      (await mesh.producer.enqueue([newTask({ node, nodeFallback: true })]))[0]?.id ?? '';
    const one = await mesh.node('mac-1');
    await mesh.node('mac-2');
    const ids = [await enqueue('mac-2'), await enqueue('mac-2')];
    expect((await releaseHeld(mesh.redis, mesh.keys)).heldFor).toEqual([
      { pool: 'default', why: 'prefer:mac-2', node: 'mac-2' },
    ]);
    expect(await one.claim()).toBeUndefined();
    await mesh.registry.evict('mac-2', 15_000);
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: 2 });
    expect([(await claimNext(one)).taskId, (await claimNext(one)).taskId]).toEqual(ids);
    const nowhere = await enqueue('mac-99');
    const held = mesh.keys.heldTasks('default', 'prefer:mac-99');
    await mesh.redis.zadd(held, 1, 'gone');
    await releaseHeld(mesh.redis, mesh.keys);
    expect((await claimNext(one)).taskId).toBe(nowhere);
    expect(await mesh.redis.zrange(held, 0, '-1')).toEqual([]);
  });
});
