import { beforeEach, describe, expect, it } from 'vitest';
import { Schedules } from '../../src/queue/bullmq/schedules.ts';
import type { StoredSchedule } from '../../src/queue/bullmq/stored-schedule.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { claimNext, makeDue, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

const DAY_MS = 86_400_000;
const DAILY = { cron: '0 7 * * *', timezone: 'UTC' } as const;

describe('an update of a schedule', () => {
  let mesh: TestMesh;
  const current = meshPerTest('update');
  beforeEach(() => {
    mesh = current();
  });

  const timesOf = ({ cron, timezone = null, everyMs = 0 }: StoredSchedule) =>
    cron === undefined ? { everyMs } : { cron, timezone };
  const task = newTask({ message: 'look', tags: { by: 'schedule' } });
  const update = (name: string, more: Partial<Parameters<Schedules['add']>[1]> & { message?: string; pool?: string }) =>
    mesh.schedules.update(name, (stored) => {
      const { message = 'look', pool = 'default', ...times } = more;
      const wanted = Object.keys(times).length > 0 ? (times as typeof DAILY) : timesOf(stored);
      return { times: wanted, task: { ...task, message, pool } };
    });
  const delayed = async (pool?: string) => mesh.reader.list({ state: 'delayed', limit: 10, pool });
  const due = async (name: string) => Date.parse((await mesh.schedules.find(name)).nextRunAt ?? '');

  it('replaces the next task at the same time if only the task changes', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    const before = await due('daily');
    await update('daily', { message: 'look again' });
    expect(await due('daily')).toBe(before);
    expect(await delayed()).toMatchObject([{ id: `repeat:daily:${before}`, message: 'look again' }]);
    expect(await mesh.schedules.mend()).toEqual([]);
    expect(await delayed()).toHaveLength(1);
  });

  it('replaces the next task at a time of the new cron line, and of no other', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    await update('daily', { cron: '30 7 * * *', timezone: 'UTC' });
    const next = await due('daily');
    expect(new Date(next).toISOString()).toMatch(/T07:30:00/);
    expect((await delayed()).map(({ id }) => id)).toEqual([`repeat:daily:${next}`]);
  });

  it('keeps the time of the next run if the old and the new cron line share it', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    const before = await due('daily');
    await update('daily', { cron: '0 7 * * *', timezone: 'Etc/UTC' });
    expect(await due('daily')).toBe(before);
    expect(await delayed()).toHaveLength(1);
  });

  it('counts a new interval from the last run, and never into the past', async () => {
    await mesh.schedules.add('often', { everyMs: DAY_MS }, task);
    const node = await mesh.node('mac-1');
    const first = Number((await claimNext(node)).taskId.split(':').at(-1));
    await expect.poll(() => due('often')).toBe(first + DAY_MS);
    await update('often', { everyMs: 2 * DAY_MS } as never);
    expect(await due('often')).toBe(first + 2 * DAY_MS);
    await update('often', { everyMs: 1_000 } as never);
    expect(await due('often')).toBeGreaterThanOrEqual(first + 1_000);
    expect(await mesh.schedules.find('often')).toMatchObject({ everyMs: 1_000, cron: null });
  });

  it('moves the schedule to another pool with its next task', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    const before = await due('daily');
    await update('daily', { pool: 'xcode' });
    expect(await mesh.schedules.find('daily')).toMatchObject({ pool: 'xcode' });
    expect(await delayed('default')).toEqual([]);
    expect((await delayed('xcode')).map(({ id }) => id)).toEqual([`repeat:daily:${before}`]);
    expect(await mesh.schedules.mend()).toEqual([]);
    const node = await mesh.node('mac-1', { pool: 'xcode' });
    await makeDue(mesh, 'xcode');
    await node.report(await claimNext(node), success);
    // A claim does not wait until the next task is queued.
    await expect
      .poll(async () => (await delayed('xcode')).map(({ id }) => id))
      .toEqual([`repeat:daily:${before + DAY_MS}`]);
  });

  it('leaves a run that has begun, and the past ones', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    const node = await mesh.node('mac-1');
    await makeDue(mesh);
    const claim = await claimNext(node);
    await update('daily', { message: 'another' });
    expect(await mesh.reader.get(claim.taskId)).toMatchObject({ state: 'active', message: 'look' });
    expect(await delayed()).toMatchObject([{ message: 'another' }]);
    await node.report(claim, success);
    await expect.poll(() => mesh.schedules.lastTask('daily')).toEqual({ id: claim.taskId, pool: 'default' });
    expect(await mesh.reader.get(claim.taskId)).toMatchObject({ state: 'completed' });
  });

  it('leaves a paused schedule paused, and takes effect once it is resumed', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    await mesh.schedules.setPaused('daily', true);
    await update('daily', { cron: '30 8 * * *', timezone: 'UTC', message: 'later' });
    expect(await mesh.schedules.find('daily')).toMatchObject({ paused: true, cron: '30 8 * * *', nextRunAt: null });
    expect(await delayed()).toEqual([]);
    await mesh.schedules.setPaused('daily', false);
    expect(await delayed()).toMatchObject([{ message: 'later' }]);
  });

  it('changes nothing if the new content is invalid', async () => {
    await mesh.schedules.add('daily', DAILY, task);
    const before = await mesh.redis.hgetall(mesh.keys.schedules);
    await expect(update('daily', { cron: '99 * * * *', timezone: 'UTC' })).rejects.toMatchObject({ code: 'usage' });
    expect(await mesh.redis.hgetall(mesh.keys.schedules)).toEqual(before);
    expect(await delayed()).toMatchObject([{ message: 'look' }]);
    await expect(update('weekly', {})).rejects.toMatchObject({ code: 'not-found' });
  });

  it('signs nothing that another program has written', async () => {
    const signing = new Schedules(mesh.redis, mesh.keys, new TaskSigner(['k'.repeat(32)], mesh.keys.bullPrefix));
    await signing.add('daily', DAILY, task);
    const stored = JSON.parse((await mesh.redis.hget(mesh.keys.schedules, 'daily')) ?? '');
    stored.task.message = 'rm -rf /';
    await mesh.redis.hset(mesh.keys.schedules, 'daily', JSON.stringify(stored));
    const updating = signing.update('daily', (found) => ({ times: timesOf(found), task: { ...task, model: 'p/m' } }));
    await expect(updating).rejects.toMatchObject({ code: 'failed', message: /signature of the task is wrong/ });
    await expect(signing.stored('daily')).rejects.toMatchObject({ code: 'failed' });
    await signing.close();
  });
});

describe('the latest task of a schedule', () => {
  const current = meshPerTest('latest');

  it('is the one that was claimed or cancelled last, and is forgotten with the schedule', async () => {
    const mesh = current();
    await mesh.schedules.add('daily', DAILY, newTask());
    expect(await mesh.schedules.lastTask('daily')).toBeUndefined();
    const node = await mesh.node('mac-1');
    await makeDue(mesh);
    const { taskId } = await claimNext(node);
    await expect.poll(() => mesh.schedules.lastTask('daily')).toEqual({ id: taskId, pool: 'default' });
    const [next] = await mesh.reader.list({ state: 'delayed', limit: 1 });
    await mesh.control.cancel(next as NonNullable<typeof next>, 'by hand');
    await mesh.schedules.mend();
    expect((await mesh.schedules.lastTask('daily'))?.id).toBe(next?.id);
    await mesh.schedules.remove('daily');
    expect(await mesh.redis.exists(mesh.keys.scheduleLast)).toBe(0);
  });
});
