import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { taskError } from '../../src/domain/task.ts';
import { removeExpired } from '../../src/queue/bullmq/retention.ts';
import { runCli, writeConfig } from '../support/cli.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('failed tasks', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let cli: (...args: string[]) => ReturnType<typeof runCli>;
  const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);
  const problems = async (): Promise<string[]> =>
    (await json('status')).problems.map(({ what }: { what: string }) => what);
  const state = async (id: string) => (await mesh.reader.get(id))?.state;

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'f');
    const config = writeConfig(`mesh: f\nredis: {url: "${server.url}"}\n`);
    cli = (...args) => runCli(['--config', config, ...args]);
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  /** A task that has failed so, its id. */
  const fail = async (kind: ErrorKind = 'invalid', pool = 'default'): Promise<string> => {
    await mesh.producer.enqueue([newTask({ pool })]);
    const node = await mesh.node('mac-1', { pool });
    const claim = await claimNext(node);
    await node.report(claim, { ok: false, error: taskError(kind, 'x') });
    return claim.taskId;
  };
  /** As if it had failed that long ago. */
  const age = async (id: string, ms: number, pool = 'default') => {
    const at = String((await mesh.registry.redisTime()) - ms);
    await mesh.redis.hset(mesh.keys.task(pool, id), 'finishedOn', at);
    await mesh.redis.zadd(mesh.keys.pool(pool, 'failed'), at, id);
  };
  const HOUR_MS = 3_600_000;

  describe('removal of all failed tasks', () => {
    it('removes failed tasks, and no task that waits, runs, has completed or was cancelled', async () => {
      const failed = [await fail(), await fail('auth'), await fail('invalid', 'xcode')];
      const node = await mesh.node('mac-2');
      await mesh.producer.enqueue([newTask(), newTask(), newTask(), newTask({ delayMs: HOUR_MS })]);
      const completed = await claimNext(node);
      await node.report(completed, success);
      const active = await claimNext(node);
      const [cancelled] = await mesh.reader.list({ state: 'waiting', limit: 1 });
      await cli('task', 'cancel', cancelled?.id ?? '');
      const { code, stdout } = await cli('task', 'remove', '--all-failed');
      expect([code, stdout.trim().split('\n').sort()]).toEqual([0, failed.map((id) => `${id}  removed`).sort()]);
      expect((await mesh.reader.counts(['default', 'xcode'])).get('default')).toMatchObject({
        failed: 0,
        completed: 1,
        active: 1,
        cancelled: 1,
        delayed: 1,
      });
      expect([await state(completed.taskId), await state(active.taskId)]).toEqual(['completed', 'active']);
      expect(await problems()).not.toContainEqual(expect.stringMatching(/failed/));
      expect((await cli('task', 'remove', '--all-failed')).stderr).toBe('no matching failed tasks\n');
    });

    it('removes only failed tasks of a time, a kind or a pool', async () => {
      const [old, auth, other] = [await fail(), await fail('auth'), await fail('invalid', 'xcode')];
      await age(old, 2 * HOUR_MS);
      const removed = async (...args: string[]) =>
        (await json('task', 'remove', '--all-failed', ...args)).tasks.map(({ id }: { id: string }) => id);
      expect(await removed('--kind', 'timeout')).toEqual([]);
      expect(await removed('--since', '1h', '--kind', 'auth')).toEqual([auth]);
      expect(await removed('--pool', 'xcode')).toEqual([other]);
      expect(await removed('--since', '1h')).toEqual([]);
      expect(await removed()).toEqual([old]);
    });

    it('leaves a failed task alone that is queued again meanwhile', async () => {
      const id = await fail();
      const task = (await mesh.reader.get(id)) as NonNullable<Awaited<ReturnType<typeof mesh.reader.get>>>;
      await mesh.control.retry(task);
      expect(await mesh.control.remove(task, { only: 'failed' })).toBe('other');
      expect(await state(id)).toBe('waiting');
      expect(await mesh.control.remove(task)).toBe('removed');
    });
  });

  describe.each(['remove', 'ack', 'retry'])('task %s', (verb) => {
    it.each([
      [['x', '--all-failed'], /task ids and --all-failed can't be combined/],
      [[], /nothing to (remove|acknowledge|retry)/],
      [['x', '--since', '1h', '--pool', 'p'], /task ids and --pool, --since can't be combined/],
      [['x', '--kind', 'auth'], /task ids and --kind can't be combined/],
      [['--all-failed', '--state', 'failed'], /--all-failed and --state can't be combined/],
      [['--state', 'active'], /--state: can't (remove|acknowledge|retry) active tasks/],
      [['--state', 'failed,slothful'], /--state/],
      [['--text', ' '], /--text/],
      [['--since', '1h', '--until', '2h'], /--since must be longer than --until/],
      [['--since', '1h'], /can't ask whether to (remove|acknowledge|retry) 1 task \(1 failed\) \(add --yes/],
      [['--all-failed', '--since', 'yesterday'], /--since/],
      [['--all-failed', '--kind', 'sloth'], /--kind/],
    ])('refuses contradictory arguments and changes no task: %j', async (args, message) => {
      const id = await fail();
      const { code, stderr, stdout } = await cli('task', verb, ...args);
      expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(message)]);
      expect(await state(id)).toBe('failed');
    });

    it('refuses an unknown pool with exit code 4', async () => {
      const id = await fail();
      const { code, stderr } = await cli('task', verb, '--all-failed', '--pool', 'defualt');
      expect([code, stderr]).toEqual([4, 'clawmesh: no pool defualt (did you mean default?)\n']);
      expect(await state(id)).toBe('failed');
    });
  });

  describe('acknowledgement', () => {
    it('acknowledges one failed task: status counts only the others, and no task is removed', async () => {
      const [one, two] = [await fail(), await fail()];
      expect(await problems()).toContain('2 failed tasks in pool default');
      const { code, stdout } = await cli('task', 'ack', one);
      expect([code, stdout]).toEqual([0, `${one}  acknowledged\n`]);
      expect(await problems()).toContain('1 failed task in pool default, besides 1 acknowledged');
      expect(await json('task', 'show', one)).toMatchObject({ state: 'failed', acknowledgedAt: expect.any(String) });
      expect(await json('task', 'show', two)).toMatchObject({ state: 'failed', acknowledgedAt: null });
      const listed = (await json('task', 'list', '--unacknowledged')).tasks.map(({ id }: { id: string }) => id);
      expect(listed).toEqual([two]);
      expect((await json('status')).pools.default).toMatchObject({ failed: 2, acknowledged: 1 });
    });

    it('acknowledges all failed tasks, and finds none the second time', async () => {
      const ids = [await fail(), await fail('auth'), await fail('invalid', 'xcode')];
      expect((await json('task', 'ack', '--all-failed')).tasks.map(({ id }: { id: string }) => id).sort()).toEqual(
        ids.sort(),
      );
      expect(await problems()).not.toContainEqual(expect.stringMatching(/failed/));
      expect((await cli('task', 'ack', '--all-failed')).stderr).toBe('no matching failed tasks\n');
      expect((await cli('task', 'ack', ids[0] as string)).code).toBe(0);
      await fail();
      expect(await problems()).toContain('1 failed task in pool default, besides 2 acknowledged');
    });

    it('counts an acknowledged task as new again when it fails once more', async () => {
      const id = await fail();
      await cli('task', 'ack', id);
      await cli('task', 'retry', id);
      expect(await json('task', 'show', id)).toMatchObject({ state: 'waiting', acknowledgedAt: null });
      const node = await mesh.node('mac-1');
      await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'again') });
      expect(await problems()).toContain('1 failed task in pool default');
      expect((await json('status')).pools.default).toMatchObject({ failed: 1, acknowledged: 0 });
    });

    it('removes the acknowledgement together with a removed or expired task', async () => {
      const [removed, expired] = [await fail(), await fail()];
      await cli('task', 'ack', '--all-failed');
      await cli('task', 'remove', removed);
      const acknowledged = mesh.keys.acknowledgedTasks('default');
      expect(await mesh.redis.zrange(acknowledged, 0, '-1')).toEqual([expired]);
      await age(expired, 2 * HOUR_MS);
      await removeExpired(mesh.redis, mesh.keys, 'default', {
        completedMs: HOUR_MS,
        failedMs: HOUR_MS,
        count: 1_000,
        usageMs: HOUR_MS,
      });
      expect(await state(expired)).toBeUndefined();
      expect(await mesh.redis.exists(acknowledged)).toBe(0);
    });

    it.each(['waiting', 'active', 'completed', 'cancelled'] as const)('acknowledges no %s task', async (wanted) => {
      await mesh.producer.enqueue([newTask()]);
      const node = await mesh.node('mac-1');
      const [task] = await mesh.reader.list({ limit: 1 });
      const id = task?.id ?? '';
      if (wanted === 'cancelled') await cli('task', 'cancel', id);
      const claim = wanted === 'active' || wanted === 'completed' ? await claimNext(node) : undefined;
      if (claim && wanted === 'completed') await node.report(claim, success);
      const { code, stderr } = await cli('task', 'ack', id);
      expect([code, stderr]).toEqual([
        1,
        `clawmesh: task ${id} is ${wanted} (only failed tasks can be acknowledged)\n`,
      ]);
      expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ acknowledged: 0 });
    });
  });
});
