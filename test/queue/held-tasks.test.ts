import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

const REASON = 'session:|chat';
const OVER = { stickyTimeoutMs: 0 };

/**
 * For each reason that holds a task: it ends if what the task waits for is gone, can't take it, or waits for the task
 * itself.
 */
describe('held tasks', () => {
  let mesh: TestMesh;
  const current = meshPerTest('w');
  beforeEach(() => {
    mesh = current();
  });

  const enqueue = async (fields: Parameters<typeof newTask>[0] = {}) =>
    (await mesh.producer.enqueue([newTask(fields)]))[0]?.id ?? '';
  const chat = (fields: Parameters<typeof newTask>[0] = {}) => enqueue({ session: 'chat', ...fields });
  const read = async (id: string) => {
    const task = await mesh.reader.get(id);
    if (!task) throw new Error(`task ${id} is gone`);
    return task;
  };
  const finish = (node: PoolConsumer, claim: Claim | undefined) => node.report(claim as Claim, success);
  /** The claim's run fails, and its next attempt is due at once. */
  const retry = async (node: PoolConsumer, claim: Claim | undefined) => {
    const { pool, taskId } = claim as Claim;
    await node.report(claim as Claim, { ok: false, error: taskError('crash', 'x') });
    await mesh.redis.zadd(mesh.keys.pool(pool, 'delayed'), 'XX', 1, taskId);
  };
  const release = (options?: Parameters<typeof releaseHeld>[2]) => releaseHeld(mesh.redis, mesh.keys, options);
  /** The same node again, which serves another pool from now on; says so with a heartbeat. */
  const restart = async (nodeId: string, pool: string) => {
    const node = await mesh.node(nodeId, { pool });
    const incarnation = Number(await mesh.redis.hget(mesh.keys.incarnations, nodeId));
    const record = aNodeRecord({ incarnation, pools: { [pool]: { concurrency: 1, running: 0 } } });
    await mesh.registry.beat({ nodeId, incarnation }, record, sweepHow(nodeId));
    return node;
  };
  /**
   * Two tasks of a session: the first has failed once on mac-1, the second is held behind it, and then the first one
   * too.
   */
  const heldBehindTheNext = async () => {
    const ids = [await chat(), await chat()] as const;
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const first = await one.claim();
    expect(await two.claim()).toBeUndefined();
    await retry(one, first);
    expect(await two.claim(), 'its session is sticky to mac-1').toBeUndefined();
    expect(await read(ids[0])).toMatchObject({ heldBy: 'session chat' });
    return { ids, one, two };
  };

  it('runs the task that holds its session first, even if it was held behind the next one', async () => {
    const { ids, one } = await heldBehindTheNext();
    expect((await release()).heldFor).toEqual([{ pool: 'default', why: REASON, node: 'mac-1' }]);
    const again = await one.claimHeld(REASON);
    expect(again).toMatchObject({ taskId: ids[0], attempt: 2 });
    expect(await one.claimHeld(REASON), 'the next one waits for its end').toBeUndefined();
    await finish(one, again);
    expect((await one.claimHeld(REASON))?.taskId).toBe(ids[1]);
  });

  it('moves the task that holds its session first once the node of the session is dead', async () => {
    const { ids, two } = await heldBehindTheNext();
    await mesh.registry.evict('mac-1', 15_000);
    expect(await release()).toMatchObject({ released: 1, heldFor: [] });
    expect(await release(), 'the next one must not overtake it').toMatchObject({ released: 0 });
    const again = await two.claim();
    expect(again).toMatchObject({ taskId: ids[0], attempt: 2, movedFrom: 'mac-1' });
    await finish(two, again);
    expect((await two.claimHeld(REASON))?.taskId).toBe(ids[1]);
  });

  it('sends the next attempt to an idle node once the busy node of its session dies', async () => {
    const id = await chat();
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await retry(one, await one.claim());
    expect(await two.claim()).toBeUndefined();
    await mesh.registry.evict('mac-1', 15_000);
    expect(await release()).toMatchObject({ released: 1 });
    expect(await two.claim()).toMatchObject({ taskId: id, attempt: 2 });
  });

  it('does not wait for the sticky node if that does not serve the pool', async () => {
    const [first, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await chat();
    await finish(first, await first.claim());
    const held = await chat();
    expect(await two.claim(), 'mac-1 serves the pool').toBeUndefined();
    await restart('mac-1', 'xcode');
    expect(await release()).toMatchObject({ released: 1, heldFor: [] });
    const claim = await two.claim();
    expect(claim).toMatchObject({ taskId: held, movedFrom: 'mac-1' });
    await finish(two, claim);
    await restart('mac-2', 'xcode');
    const three = await mesh.node('mac-3');
    const next = await chat();
    expect(await three.claim(), 'not even for a moment').toMatchObject({ taskId: next, movedFrom: 'mac-2' });
  });

  it('does not wait for the sticky node in another pool that only other nodes serve', async () => {
    await chat();
    const one = await mesh.node('mac-1');
    await finish(one, await one.claim());
    const other = await chat({ pool: 'xcode' });
    const two = await mesh.node('mac-2', { pool: 'xcode' });
    expect(await two.claim()).toMatchObject({ taskId: other, movedFrom: 'mac-1' });
  });

  it('does not wait for the preferred node if that does not serve the pool', async () => {
    await restart('mac-2', 'xcode');
    const one = await mesh.node('mac-1');
    const id = await enqueue({ node: 'mac-2', nodeFallback: true });
    expect(await release()).toMatchObject({ released: 1, heldFor: [] });
    expect(await one.claim()).toMatchObject({ taskId: id });
  });

  it('waits no longer than the sticky timeout for a sticky node that is up but does not claim', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await chat();
    await finish(one, await one.claim());
    const ids = [await chat(), await chat()];
    expect([await two.claim(), await two.claim()]).toEqual([undefined, undefined]);
    expect(await release()).toMatchObject({ released: 0, heldFor: [{ node: 'mac-1' }] });
    expect(await release(OVER)).toMatchObject({ released: 1, heldFor: [] });
    const moved = await two.claim();
    expect(moved).toMatchObject({ taskId: ids[0], movedFrom: 'mac-1' });
    expect(await release(OVER), 'the next one waits for its end').toMatchObject({ released: 0 });
    await finish(two, moved);
    expect((await two.claimHeld(REASON))?.taskId, 'the session is sticky to this node now').toBe(ids[1]);
  });

  it('waits no longer than the sticky timeout for the preferred node', async () => {
    const one = await mesh.node('mac-1');
    await mesh.node('mac-2');
    const id = await enqueue({ node: 'mac-2', nodeFallback: true });
    expect(await release()).toMatchObject({ released: 0, heldFor: [{ node: 'mac-2' }] });
    expect(await release(OVER)).toMatchObject({ released: 1, heldFor: [] });
    expect(await one.claim()).toMatchObject({ taskId: id });
  });

  it('does not wait behind a task of its session whose node is gone, and lets that one go first once the node is back', async () => {
    const two = await mesh.node('mac-2');
    const first = await chat({ node: 'mac-2' });
    await retry(two, await two.claimHeld('node:mac-2'));
    const one = await mesh.node('mac-1');
    const [second, third] = [await chat(), await chat()];
    // The first one's next attempt is due; it is for mac-2, which takes it.
    expect([await one.claim(), await one.claim(), await one.claim()]).toEqual([undefined, undefined, undefined]);
    expect(await release(), 'the node is there').toMatchObject({ released: 0 });
    await mesh.registry.evict('mac-2', 15_000);
    expect(await release()).toMatchObject({ released: 1 });
    const claim = await one.claim();
    expect(claim).toMatchObject({ taskId: second, movedFrom: 'mac-2' });
    const back = await mesh.node('mac-2');
    expect(await back.claimHeld('node:mac-2'), 'one at a time').toBeUndefined();
    await finish(one, claim);
    await release();
    // It is the first of the session again; any node that comes across it hands it to its own.
    await one.claim();
    const again = await back.claimHeld('node:mac-2');
    expect(again).toMatchObject({ taskId: first, attempt: 2 });
    expect(await one.claimHeld(REASON)).toBeUndefined();
    await finish(back, again);
    expect((await back.claimHeld(REASON))?.taskId).toBe(third);
  });

  it('does not wait for a task of its session in a pool that is paused, or that no node serves any more', async () => {
    const one = await mesh.node('mac-1', { pool: 'xcode' });
    const first = await chat({ pool: 'xcode' });
    await retry(one, await one.claim());
    const two = await mesh.node('mac-2');
    const second = await chat();
    expect(await two.claim()).toBeUndefined();
    expect(await release()).toMatchObject({ released: 0 });
    await setPoolPaused(mesh.redis, mesh.keys, 'xcode', true);
    expect(await release()).toMatchObject({ released: 1 });
    const claim = await two.claim();
    expect(claim).toMatchObject({ taskId: second });

    await setPoolPaused(mesh.redis, mesh.keys, 'xcode', false);
    expect(await one.claim(), 'one at a time').toBeUndefined();
    const third = await chat();
    await finish(two, claim);
    expect(await release()).toMatchObject({ released: 1 });
    expect(await two.claim(), 'the session is busy with the one in the other pool').toBeUndefined();
    await restart('mac-1', 'browser');
    expect(await release()).toMatchObject({ released: 1 });
    expect(await two.claim()).toMatchObject({ taskId: third });
    expect(await read(first)).toMatchObject({ state: 'waiting' });
  });

  it('keeps its place behind a task of its session that no node can run, if none could run it either', async () => {
    const [first, second] = [await chat(), await chat()];
    const one = await mesh.node('mac-1');
    const claim = await one.claim();
    expect(await one.claim()).toBeUndefined();
    await retry(one, claim);
    await mesh.registry.evict('mac-1', 15_000);
    expect([await release(OVER), await release(OVER)]).toMatchObject([{ released: 0 }, { released: 0 }]);
    const two = await mesh.node('mac-2');
    const again = await two.claim();
    expect(again).toMatchObject({ taskId: first });
    await finish(two, again);
    expect((await two.claimHeld(REASON))?.taskId).toBe(second);
  });

  it('sends a task for one node there directly, without a stop at the sticky node', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const first = await chat();
    const claim = await one.claim();
    expect(claim?.taskId).toBe(first);
    const id = await chat({ node: 'mac-2' });
    expect(await two.claimHeld('node:mac-2'), 'the session is busy').toBeUndefined();
    await finish(one, claim);
    expect(await release()).toMatchObject({ released: 1, heldFor: [] });
    expect(await two.claim()).toMatchObject({ taskId: id, movedFrom: 'mac-1' });
  });

  it('does not release a task over and over that fell back from its node while the sticky node is up', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await chat();
    const first = await two.claim();
    const id = await chat({ node: 'mac-2', nodeFallback: true });
    expect(await two.claimHeld('prefer:mac-2'), 'the session is busy').toBeUndefined();
    await finish(two, first);
    expect(await release()).toMatchObject({ released: 1 });
    expect(await one.claim(), 'it would rather run on mac-2').toBeUndefined();
    expect(await release(OVER)).toMatchObject({ released: 1 });
    expect(await one.claim(), 'its session is sticky to mac-2').toBeUndefined();
    expect(await release()).toEqual({
      released: 0,
      failed: 0,
      heldFor: [{ pool: 'default', why: REASON, node: 'mac-2' }],
    });
    expect(await two.claimHeld(REASON)).toMatchObject({ taskId: id });
  });

  it('lets a node run its next task although the session of the one before is busy', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await chat();
    expect(await one.claim()).toBeDefined();
    await chat({ node: 'mac-2' });
    const free = await enqueue({ node: 'mac-2' });
    expect(await two.claimHeld('node:mac-2')).toMatchObject({ taskId: free });
  });

  it('does not send a task back and forth between a preferred node that may not run it and the others', async () => {
    const picky = await mesh.node('mac-1', { allow: { agents: ['ops'] } });
    const any = await mesh.node('mac-2');
    const id = await enqueue({ node: 'mac-1', nodeFallback: true });
    expect(await picky.claimHeld('prefer:mac-1')).toBeUndefined();
    expect(await read(id)).toMatchObject({ heldBy: 'allow main|' });
    expect(await any.claimHeld('allow:main|')).toMatchObject({ taskId: id });
  });

  it('does not return a task to its preferred node once its login was refused there', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const id = await enqueue({ node: 'mac-1', nodeFallback: true });
    await one.reassign((await one.claimHeld('prefer:mac-1')) as Claim, 'auth on mac-1');
    expect(await two.claim()).toMatchObject({ taskId: id, refusedOn: 'mac-1' });
  });

  it('leaves the session where it was if no run of the task has begun', async () => {
    const [old, newer] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    const id = await chat();
    const key = mesh.keys.task('default', id);
    const stored = (await mesh.redis.hget(key, 'data')) ?? '';
    await mesh.redis.hset(key, 'data', JSON.stringify({ ...JSON.parse(stored), v: 2 }));
    expect(await old.claim(), 'a format that this node cannot read').toBeUndefined();
    expect(await read(id)).toMatchObject({ heldBy: 'format 2' });
    await mesh.redis.hset(key, 'data', stored);
    const claim = await newer.claimHeld('format:2');
    expect(claim).toMatchObject({ taskId: id, movedFrom: undefined });
    await finish(newer, claim);
    // The session is sticky to the node that can read the format; one that can't does not keep its next task.
    const next = await chat();
    expect(await old.claim()).toBeUndefined();
    expect(await read(next)).toMatchObject({ heldBy: 'session chat' });
    expect(await newer.claimHeld(REASON)).toMatchObject({ taskId: next, movedFrom: undefined });
  });

  it('keeps its session sticky to the node that ran it, if its run on another node never began', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await chat();
    await finish(one, await one.claim());
    await mesh.registry.evict('mac-1', 15_000);
    const id = await chat();
    const key = mesh.keys.task('default', id);
    const stored = (await mesh.redis.hget(key, 'data')) ?? '';
    await mesh.redis.hset(key, 'data', JSON.stringify({ ...JSON.parse(stored), v: 2 }));
    // Of a run before another program queued the task again.
    await mesh.redis.hset(key, 'progress', JSON.stringify({ at: 'earlier', note: 'thinking', tokens: 5 }));
    expect(await two.claim(), 'a format that this node cannot read').toBeUndefined();
    expect(await mesh.redis.hmget(key, 'processedOn', 'pb', 'progress')).toEqual([null, null, null]);
    await mesh.redis.hset(key, 'data', stored);
    const again = await mesh.node('mac-1');
    expect(await again.claimHeld('format:2')).toMatchObject({ taskId: id, movedFrom: undefined });
    expect(await read(id)).toMatchObject({ sessionMovedFrom: null });
  });

  it.each([
    ['node:mac-9', { node: 'mac-9' }],
    ['require:gpu=yes', { require: { gpu: 'yes' } }],
    ['prefer:mac-9', { node: 'mac-9', nodeFallback: true }],
    ['after', { after: [{ id: 'none', pool: 'default' }] }],
  ] as const)('leaves nothing behind for %s once the task is cancelled or removed', async (_why, fields) => {
    const [cancelled, removed] = [await enqueue(fields), await enqueue(fields)];
    await mesh.control.cancel(await read(cancelled), 'by hand');
    await mesh.control.remove(await read(removed));
    expect(await release()).toEqual({ released: 0, failed: 0, heldFor: [] });
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });

  it('leaves nothing behind for its session once the task is cancelled', async () => {
    const { ids, two } = await heldBehindTheNext();
    for (const id of ids) await mesh.control.cancel(await read(id), 'by hand');
    expect(await release()).toEqual({ released: 0, failed: 0, heldFor: [] });
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
    const next = await chat();
    await mesh.registry.evict('mac-1', 15_000);
    expect(await two.claim()).toMatchObject({ taskId: next });
  });

  it.each([
    ['cancelled', 'cancel'],
    ['removed', 'remove'],
  ] as const)('resumes once an operator has %s the task that holds its session', async (_, what) => {
    const { ids, one } = await heldBehindTheNext();
    await mesh.control[what](await read(ids[0]), 'by hand');
    expect((await release()).heldFor).toEqual([{ pool: 'default', why: REASON, node: 'mac-1' }]);
    expect(await one.claimHeld(REASON)).toMatchObject({ taskId: ids[1] });
  });
});
