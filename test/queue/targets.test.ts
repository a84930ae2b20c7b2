import { beforeEach, describe, expect, it } from 'vitest';
import { isEligible, parseHoldReason } from '../../src/domain/hold-reason.ts';
import { formatTarget, forOthers, targetOf } from '../../src/domain/target.ts';
import { taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

describe('a task that only one node may run', () => {
  let mesh: TestMesh;
  const current = meshPerTest('n');
  beforeEach(() => {
    mesh = current();
  });

  const enqueue = async (fields: Parameters<typeof newTask>[0] = {}) =>
    (await mesh.producer.enqueue([newTask({ node: 'mac-2', ...fields })]))[0]?.id ?? '';
  const read = async (id: string) => mesh.reader.get(id);

  it('leaves the task to its node, without blocking the tasks behind it', async () => {
    const id = await enqueue();
    const behind = await enqueue({ node: undefined });
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'node mac-2', target: 'node:mac-2' });
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    expect((await claimNext(one)).taskId).toBe(behind);
    expect((await releaseHeld(mesh.redis, mesh.keys)).heldFor).toEqual([{ pool: 'default', why: 'node:mac-2' }]);
    const claim = await two.claimHeld('node:mac-2');
    expect(claim).toMatchObject({ taskId: id, attempt: 1, handovers: 0 });
    expect(await mesh.redis.get(`${mesh.keys.task('default', id)}:lock`)).toBe(claim?.token);
    await two.report(claim as NonNullable<typeof claim>, success);
    expect(await read(id)).toMatchObject({ state: 'completed', node: 'mac-2' });
    expect((await read(id))?.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'completed']);
    expect(await two.claimHeld('node:mac-2')).toBeUndefined();
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });

  it('waits first for the time of a delayed task', async () => {
    const id = await enqueue({ delayMs: 600_000 });
    expect(await read(id)).toMatchObject({ state: 'delayed', heldBy: null, target: 'node:mac-2' });
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
    const two = await mesh.node('mac-2');
    expect((await releaseHeld(mesh.redis, mesh.keys)).heldFor).toEqual([]);
    expect(await two.claimHeld('node:mac-2')).toBeUndefined();
    expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ waiting: 0, delayed: 1 });
  });

  it.each(['cancelled', 'removed'] as const)(
    'removes the task from its hold, and from every count, once it is %s',
    async (how) => {
      const ids = [await enqueue(), await enqueue({ node: 'mac-9' })];
      const task = await read(ids[1] as string);
      if (!task) throw new Error('no task');
      if (how === 'cancelled') await mesh.control.cancel(task, 'by hand');
      else await mesh.control.remove(task);
      expect(await mesh.redis.smembers(mesh.keys.held)).toEqual(['default node:mac-2']);
      expect(await mesh.reader.held()).toMatchObject([{ why: 'node:mac-2', count: 1 }]);
      expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ waiting: 1, delayed: 0 });
    },
  );

  it('holds a task in a newer format for a newer clawmesh, and blocks no other', async () => {
    const id = await enqueue({ node: undefined });
    const behind = await enqueue({ node: undefined });
    const key = mesh.keys.task('default', id);
    const stored = (await mesh.redis.hget(key, 'data')) ?? '';
    await mesh.redis.hset(key, 'data', JSON.stringify({ ...JSON.parse(stored), v: 2, somethingNew: true }));
    const one = await mesh.node('mac-1');
    expect((await claimNext(one)).taskId).toBe(behind);
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'format 2', attempts: { made: 0 } });
    expect((await releaseHeld(mesh.redis, mesh.keys)).heldFor).toEqual([{ pool: 'default', why: 'format:2' }]);
    // What a node does that reads that format too: here, since the task is one again that this one can read.
    await mesh.redis.hset(key, 'data', stored);
    const claim = await one.claimHeld('format:2');
    expect(claim).toMatchObject({
      taskId: id,
      attempt: 1,
      handovers: 0,
      spec: { message: JSON.parse(stored).message },
    });
    await one.report(claim as NonNullable<typeof claim>, success);
    expect(await read(id)).toMatchObject({ state: 'completed' });
  });

  it('does not wait in a newer format for the sticky node of its session if that can not read it', async () => {
    const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
    await enqueue({ node: undefined, session: 'chat' });
    await one.report(await claimNext(one), success);
    const id = await enqueue({ node: undefined, session: 'chat' });
    const key = mesh.keys.task('default', id);
    const stored = (await mesh.redis.hget(key, 'data')) ?? '';
    await mesh.redis.hset(key, 'data', JSON.stringify({ ...JSON.parse(stored), v: 2 }));
    expect(await one.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ heldBy: 'format 2' });
    await mesh.redis.hset(key, 'data', stored);
    expect(await two.claimHeld('format:2')).toMatchObject({ taskId: id });
  });

  it('waits for its node again after a failed attempt, and after its node died', async () => {
    const id = await enqueue({ backoffMs: 1 });
    const two = await mesh.node('mac-2');
    const first = await two.claimHeld('node:mac-2');
    await two.report(first as NonNullable<typeof first>, { ok: false, error: taskError('crash', 'x') });
    const one = await mesh.node('mac-1');
    await expect
      .poll(async () => {
        expect(await one.claim()).toBeUndefined();
        return (await read(id))?.heldBy;
      })
      .toBe('node mac-2');
    const second = await two.claimHeld('node:mac-2');
    expect(second).toMatchObject({ taskId: id, attempt: 2 });
    await mesh.registry.evict('mac-2', 15_000);
    expect(await mesh.requeue()).toEqual([id]);
    expect(await one.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'node mac-2', handovers: 1 });
    const next = await mesh.node('mac-2');
    expect(await next.claimHeld('node:mac-2')).toMatchObject({ taskId: id, attempt: 2, handovers: 1 });
  });

  it('waits for the tasks before it first, and then for its node', async () => {
    const first = await enqueue({ node: undefined });
    const id = await enqueue({ after: [{ id: first, pool: 'default' }] });
    expect(await read(id)).toMatchObject({ heldBy: 'after' });
    const one = await mesh.node('mac-1');
    await one.report(await claimNext(one), success);
    await releaseHeld(mesh.redis, mesh.keys);
    expect(await one.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ heldBy: 'node mac-2' });
    expect(await (await mesh.node('mac-2')).claimHeld('node:mac-2')).toMatchObject({ taskId: id });
  });

  it('can be cancelled while held, and is not blocked by a held task that is gone', async () => {
    const cancelled = await enqueue();
    const task = await read(cancelled);
    await mesh.control.cancel(task as NonNullable<typeof task>, 'by hand');
    const held = mesh.keys.heldTasks('default', 'node:mac-2');
    await mesh.redis.zadd(held, 1, 'gone');
    const id = await enqueue();
    const two = await mesh.node('mac-2');
    expect((await two.claimHeld('node:mac-2'))?.taskId).toBe(id);
    expect(await mesh.redis.zrange(held, 0, '-1')).toEqual([]);
  });

  it('refuses a claim while its pool is paused, and a claim of a fenced incarnation of its node', async () => {
    await enqueue();
    const old = await mesh.node('mac-2');
    await setPoolPaused(mesh.redis, mesh.keys, 'default', true);
    expect(await old.claimHeld('node:mac-2')).toBeUndefined();
    await setPoolPaused(mesh.redis, mesh.keys, 'default', false);
    await mesh.node('mac-2');
    await expect(old.claimHeld('node:mac-2')).rejects.toMatchObject({ code: 'fenced' });
  });

  it('lets any node claim the task that has all its labels', async () => {
    const id = await enqueue({ node: undefined, require: { xcode: '26', gpu: 'yes' } });
    expect(await read(id)).toMatchObject({ state: 'waiting', target: 'require:gpu=yes,xcode=26' });
    const one = await mesh.node('mac-1', { labels: { xcode: '26' } });
    const two = await mesh.node('mac-2', { labels: { xcode: '26', gpu: 'yes', ram: '64' } });
    await mesh.redis.zadd(mesh.keys.pool('default', 'delayed'), 1, id); // as after a retry: it is anybody's to claim
    expect(await one.claim()).toBeUndefined();
    expect(await read(id)).toMatchObject({ state: 'waiting', heldBy: 'require gpu=yes,xcode=26' });
    expect(await two.claimHeld('require:gpu=yes,xcode=26')).toMatchObject({ taskId: id });
  });

  it('releases a task whose agent the node may not run to a node that may, even if its session is sticky to this node', async () => {
    const only = await mesh.node('mac-1', { allow: { agents: ['ops'] } });
    const any = await mesh.node('mac-2');
    const plain = await enqueue({ node: undefined });
    expect(await only.claim()).toBeUndefined();
    expect(await read(plain)).toMatchObject({ state: 'waiting', heldBy: 'allow main|' });
    expect(await any.claimHeld('allow:main|')).toMatchObject({ taskId: plain });

    // The session began here before its agent was no longer allowed.
    const before = await mesh.node('mac-3');
    const first = await enqueue({ node: undefined, session: 's' });
    const claim = await claimNext(before);
    expect(claim.taskId).toBe(first);
    await before.report(claim, success);
    const now = await mesh.node('mac-3', { allow: { agents: ['ops'] } });
    const second = await enqueue({ node: undefined, session: 's' });
    expect(await now.claim()).toBeUndefined();
    expect(await any.claimHeld('allow:main|')).toMatchObject({ taskId: second, movedFrom: 'mac-3' });
  });
});

describe('targets of tasks', () => {
  it.each([
    [{}, undefined, true],
    [{ node: 'a' }, 'node:a', true],
    [{ node: 'b' }, 'node:b', false],
    [{ require: { x: '1' } }, 'require:x=1', true],
    [{ require: { y: '2', x: '1' } }, 'require:x=1,y=2', true],
    [{ require: { x: '2' } }, 'require:x=2', false],
    [{ require: { toString: 'x' } }, 'require:toString=x', false],
    [{ require: { z: '1', x: '1' } }, 'require:x=1,z=1', false],
  ])('derives from %j the target %s', (spec, target, runs) => {
    expect(targetOf(spec)).toBe(target);
    if (target === undefined) return;
    expect(isEligible(parseHoldReason(target), { id: 'a', labels: { x: '1', y: '2' } })).toBe(runs);
  });

  it.each([
    [{}, {}, undefined],
    [{ agent: 'ops', model: 'm' }, {}, undefined],
    [{}, { agents: ['main'], models: ['m'] }, undefined],
    [{}, { agents: ['ops'] }, 'allow:main|'],
    [{ agent: 'ops' }, { agents: ['main', 'ops'] }, undefined],
    [{ agent: 'ops' }, { agents: [] }, 'allow:ops|'],
    [{ agent: 'ops', model: 'a/b' }, { models: ['m'] }, 'allow:ops|a/b'],
    [{ require: { x: '1' }, model: 'n' }, { models: ['m'] }, 'require:x=1&allow:main|n'],
    [{ node: 'a', model: 'n' }, { models: ['m'] }, 'node:a&allow:main|n'],
    [{ node: 'a', nodeFallback: true, model: 'n' }, { models: ['m'] }, 'allow:main|n'],
    [{ require: { x: '2' }, model: 'n' }, { models: ['m'] }, 'require:x=2'],
  ])('releases %j from a node that is allowed %j with the reason %s', (spec, allow, why) => {
    const node = { id: 'a', labels: { x: '1' }, allow };
    const others = forOthers(spec, node);
    expect(others && formatTarget(others)).toBe(why);
    if (why === undefined) return;
    const reason = parseHoldReason(why);
    expect(isEligible(reason, node)).toBe(false);
    if (!why.startsWith('require:x=2')) expect(isEligible(reason, { ...node, allow: undefined })).toBe(true);
  });
});
