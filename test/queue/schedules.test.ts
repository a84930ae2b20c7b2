import { Queue } from 'bullmq';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { ScheduleTimes } from '../../src/domain/schedule.ts';
import { type NewTask, taskError } from '../../src/domain/task.ts';
import { claimNext, makeDue, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

/** When a scheduled task was due, ms; its id tells. */
const dueAt = ({ taskId }: Claim) => Number(taskId.split(':')[2]);

describe('a schedule', () => {
  let mesh: TestMesh;
  const current = meshPerTest('h');
  beforeEach(() => {
    mesh = current();
  });

  const task = newTask({ message: 'look', attempts: 2, tags: { by: 'schedule' } });
  const delayed = () => mesh.reader.list({ state: 'delayed', limit: 10 });
  const due = async (name: string) => Date.parse((await mesh.schedules.find(name)).nextRunAt ?? '');

  it('queues its task when it is due, and the next one once that is claimed', async () => {
    await mesh.schedules.add('often', { everyMs: 1_000 }, task);
    const node = await mesh.node('mac-1');
    const first = await claimNext(node);
    expect(first).toMatchObject({ maxAttempts: 2, spec: { message: 'look', tags: { by: 'schedule' } } });
    expect(first.taskId).toMatch(/^repeat:often:\d+$/);
    expect(await mesh.reader.get(first.taskId)).toMatchObject({ state: 'active', message: 'look' });
    await node.report(first, success);
    const second = await claimNext(node);
    expect(dueAt(second) - dueAt(first)).toBeGreaterThanOrEqual(1_000);
  });

  it('catches up once for the runs that were missed while no node was up', async () => {
    await mesh.schedules.add('often', { everyMs: 1_000 }, task);
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // at least two are due
    const node = await mesh.node('mac-1');
    const madeUp = await claimNext(node);
    expect(madeUp.claimedAt - dueAt(madeUp)).toBeGreaterThan(1_000);
    // Those missed after it are not made up for: the next one is due later than that.
    expect(dueAt(await claimNext(node))).toBeGreaterThan(madeUp.claimedAt);
  });

  it('follows its cron line in its time zone', async () => {
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'Europe/Berlin' }, task);
    const next = new Date(await due('daily'));
    expect(next.toLocaleTimeString('de', { timeZone: 'Europe/Berlin' })).toBe('07:00:00');
    expect(next.getTime() - Date.now()).toBeLessThanOrEqual(25 * 3_600_000);
    expect((await delayed()).map(({ id }) => id)).toEqual([`repeat:daily:${next.getTime()}`]);
  });

  it('rests while it is paused, and resumes afterwards', async () => {
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, task);
    await mesh.schedules.setPaused('daily', true);
    expect(await mesh.schedules.find('daily')).toMatchObject({ paused: true, nextRunAt: null });
    expect(await delayed()).toEqual([]);
    await mesh.schedules.mend();
    expect(await delayed()).toEqual([]);
    await mesh.schedules.setPaused('daily', false);
    expect(await delayed()).toHaveLength(1);
  });

  it('is gone together with its next task when it is removed, and frees its name', async () => {
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, task);
    await expect(mesh.schedules.add('daily', { everyMs: 5_000 }, task)).rejects.toMatchObject({ code: 'failed' });
    await mesh.schedules.remove('daily');
    expect(await delayed()).toEqual([]);
    expect(await mesh.schedules.list()).toEqual([]);
    await expect(mesh.schedules.remove('daily')).rejects.toMatchObject({ code: 'not-found' });
    await mesh.schedules.add('daily', { everyMs: 60_000 }, task);
  });

  it.each(['cancelled', 'removed'])('continues although one of its tasks was %s', async (how) => {
    await mesh.schedules.add('hourly', { cron: '0 * * * *', timezone: 'UTC' }, task);
    const [next] = await delayed();
    if (how === 'cancelled') await mesh.control.cancel(next as NonNullable<typeof next>, 'by hand');
    else await mesh.control.remove(next as NonNullable<typeof next>);
    await mesh.schedules.mend();
    await mesh.schedules.mend();
    const [after, ...more] = await delayed();
    expect(more).toEqual([]);
    expect(after?.id).toMatch(/^repeat:hourly:/);
    expect(after?.id).not.toBe(next?.id);
  });

  it('runs once although several nodes mend it at the same time', async () => {
    await mesh.schedules.add('hourly', { cron: '0 * * * *', timezone: 'UTC' }, task);
    const [next] = await delayed();
    await mesh.control.cancel(next as NonNullable<typeof next>, 'by hand');
    await Promise.all(Array.from({ length: 5 }, () => mesh.schedules.mend()));
    expect(await delayed()).toHaveLength(1);
  });
});

describe('a schedule whose next run was cancelled', () => {
  let mesh: TestMesh;
  const current = meshPerTest('hc');
  beforeEach(() => {
    mesh = current();
  });

  const task = newTask({ message: 'look' });
  const daily = { cron: '0 7 * * *', timezone: 'UTC' } as const;
  const DAY_MS = 86_400_000;
  const upcoming = async (name: string) => Date.parse((await mesh.schedules.find(name)).nextRunAt ?? '');
  const delayed = async () => (await mesh.reader.list({ state: 'delayed', limit: 10 })).map(({ id }) => id);
  const cancel = async (name: string, how: 'cancel' | 'remove' = 'cancel') => {
    const due = await upcoming(name);
    const next = await mesh.reader.get(`repeat:${name}:${due}`);
    await mesh.control[how](next as NonNullable<typeof next>, 'by hand');
    return due;
  };

  it.each([true, false])('continues after a cancelled run when it is resumed (mended before: %s)', async (mended) => {
    await mesh.schedules.add('daily', daily, task);
    const cancelled = await cancel('daily');
    if (mended) await mesh.schedules.mend();
    await mesh.schedules.setPaused('daily', true);
    await mesh.schedules.setPaused('daily', false);
    expect(await upcoming('daily')).toBe(cancelled + DAY_MS);
    expect(await delayed()).toEqual([`repeat:daily:${cancelled + DAY_MS}`]);
  });

  it('gets its next run from the mender if a node resumed it without queueing one', async () => {
    await mesh.schedules.add('daily', daily, task);
    const cancelled = await cancel('daily');
    await mesh.schedules.setPaused('daily', true);
    const stored = JSON.parse((await mesh.redis.hget(mesh.keys.schedules, 'daily')) ?? '');
    await mesh.redis.hset(mesh.keys.schedules, 'daily', JSON.stringify({ ...stored, paused: false }));
    expect(await mesh.schedules.mend()).toEqual([]);
    expect(await delayed()).toEqual([`repeat:daily:${cancelled + DAY_MS}`]);
  });

  it('skips several cancelled runs, and is still advanced by a claim', async () => {
    await mesh.schedules.add('daily', daily, task);
    const first = await upcoming('daily');
    for (let n = 0; n < 3; n++) {
      await cancel('daily');
      await mesh.schedules.mend();
    }
    await mesh.schedules.setPaused('daily', true);
    await mesh.schedules.setPaused('daily', false);
    expect(await upcoming('daily')).toBe(first + 3 * DAY_MS);
    await mesh.schedules.advance('default', 'daily', `repeat:daily:${first + 3 * DAY_MS}`);
    expect(await upcoming('daily')).toBe(first + 4 * DAY_MS);
  });

  it.each([
    ['', 'default'],
    [' in another pool', 'other'],
  ])('starts with its first time again when it is removed and added%s', async (_, pool) => {
    await mesh.schedules.add('daily', daily, task);
    const first = await cancel('daily');
    await mesh.schedules.mend();
    await mesh.schedules.remove('daily');
    await mesh.schedules.add('daily', daily, newTask({ pool }));
    expect(await upcoming('daily')).toBe(first);
    expect(await mesh.reader.get(`repeat:daily:${first}`)).toMatchObject({ pool, state: 'delayed' });
  });

  it('never queues a task under an id that is used in another pool', async () => {
    await mesh.schedules.add('daily', daily, task);
    const first = await cancel('daily');
    await mesh.redis.hset(mesh.keys.schedules, 'daily', await moved('other'));
    await mesh.redis.sadd(mesh.keys.pools, 'other');
    expect(await mesh.schedules.mend()).toEqual([]);
    expect(await delayed()).toEqual([`repeat:daily:${first + DAY_MS}`]);
    expect(await mesh.reader.get(`repeat:daily:${first + DAY_MS}`)).toMatchObject({ pool: 'other' });
  });

  const moved = async (pool: string) =>
    JSON.stringify({ ...JSON.parse((await mesh.redis.hget(mesh.keys.schedules, 'daily')) ?? ''), pool });

  it.each(['cancel', 'remove'] as const)('continues with an interval after a cancelled run (%s)', async (how) => {
    await mesh.schedules.add('often', { everyMs: 3_600_000 }, task);
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    const cancelled = await cancel('often', how);
    await mesh.schedules.setPaused('often', true);
    await mesh.schedules.setPaused('often', false);
    await mesh.schedules.mend();
    expect(await upcoming('often')).toBeLessThanOrEqual(cancelled + 3_600_000);
    expect((await claimNext(node)).taskId).toMatch(/^repeat:often:/);
  });

  it('gets its next run while a run whose claim queued none is still active', async () => {
    await mesh.schedules.add('often', { everyMs: 3_600_000 }, task);
    mesh.schedules.advance = async () => {};
    await claimNext(await mesh.node('mac-1'));
    expect(await delayed()).toEqual([]);
    await mesh.schedules.mend();
    expect(await delayed()).toHaveLength(1);
  });
});

describe('many schedules', () => {
  let mesh: TestMesh;
  const current = meshPerTest('hm');
  beforeEach(() => {
    mesh = current();
  });

  const task = newTask({ message: 'look' });
  const daily = { cron: '0 7 * * *', timezone: 'UTC' } as const;
  const lose = async (name: string) => {
    const due = Date.parse((await mesh.schedules.find(name)).nextRunAt ?? '');
    await mesh.control.remove({ id: `repeat:${name}:${due}`, pool: 'default' });
  };
  const delayed = async () =>
    (await mesh.reader.list({ state: 'delayed', limit: 10 })).map(({ id }) => id.split(':')[1]);

  it('mends each of many schedules on its own, and keeps an error until it is mended or removed', async () => {
    for (const name of ['a', 'broken', 'newer', 'z']) await mesh.schedules.add(name, daily, task);
    const stored = JSON.parse((await mesh.redis.hget(mesh.keys.schedules, 'broken')) ?? '');
    await lose('a');
    await lose('broken');
    await lose('z');
    await mesh.redis.hset(mesh.keys.schedules, 'broken', JSON.stringify({ ...stored, cron: '0 0 30 2 *' }));
    await mesh.redis.hset(mesh.keys.schedules, 'newer', '{"v":2}');
    const failures = await mesh.schedules.mend();
    expect(failures.map(({ name }) => name).sort()).toEqual(['broken', 'newer']);
    expect((await delayed()).sort()).toEqual(['a', 'newer', 'z']);
    expect(await mesh.redis.hgetall(mesh.keys.scheduleFailures)).toEqual(
      Object.fromEntries(failures.map(({ name, reason }) => [name, reason])),
    );
    await mesh.redis.hset(mesh.keys.schedules, 'broken', JSON.stringify(stored));
    await mesh.redis.hdel(mesh.keys.schedules, 'newer');
    expect(await mesh.schedules.mend()).toEqual([]);
    expect((await delayed()).sort()).toEqual(['a', 'broken', 'z']);
    expect(await mesh.redis.exists(mesh.keys.scheduleFailures)).toBe(0);
  });

  it('mends the others although the schedules of one pool cannot be read', async () => {
    for (const name of ['a', 'z']) await mesh.schedules.add(name, daily, task);
    await mesh.schedules.add('other', daily, newTask({ pool: 'other' }));
    await mesh.redis.del(mesh.keys.pool('other', 'repeat'));
    await mesh.redis.set(mesh.keys.pool('other', 'repeat'), 'mangled');
    await lose('a');
    await lose('z');
    expect(await mesh.schedules.mend()).toEqual([{ name: 'other', reason: expect.stringContaining('WRONGTYPE') }]);
    expect((await delayed()).sort()).toEqual(['a', 'other', 'z']);
  });

  it('removes a schedule although its stored data cannot be read', async () => {
    await mesh.schedules.add('newer', daily, task);
    await mesh.redis.hset(mesh.keys.schedules, 'newer', '{"v":2}');
    await mesh.schedules.mend();
    await mesh.schedules.remove('newer');
    expect(await delayed()).toEqual([]);
    expect(await mesh.redis.exists(mesh.keys.schedules, mesh.keys.scheduleFailures)).toBe(0);
    expect(await mesh.schedules.mend()).toEqual([]);
  });

  it('queues nothing for a schedule that was removed or paused while a node mended it', async () => {
    for (const name of ['gone', 'resting', 'kept']) await mesh.schedules.add(name, daily, task);
    const paused = JSON.parse((await mesh.redis.hget(mesh.keys.schedules, 'resting')) ?? '');
    await mesh.redis.hdel(mesh.keys.schedules, 'gone');
    await mesh.redis.hset(mesh.keys.schedules, 'resting', JSON.stringify({ ...paused, paused: true }));
    await mesh.schedules.mend();
    expect(await delayed()).toEqual(['kept']);
    expect(await mesh.redis.zrange(mesh.keys.pool('default', 'repeat'), 0, '-1')).toEqual(['kept']);
  });
});

describe('a refused schedule', () => {
  const current = meshPerTest('hr');
  const task = newTask({ message: 'look' });
  const cron = (line: string) => ({ cron: line, timezone: 'UTC' });

  it.each<[string, ScheduleTimes, string, Partial<NewTask>]>([
    ['an empty line', cron(''), 'x', {}],
    ['a line with four fields', cron('0 7 * *'), 'x', {}],
    ['a line that names no day', cron('0 7 31 4 *'), 'x', {}],
    ['a zone that is not there', { cron: '0 7 * * *', timezone: 'Mars/Olympus' }, 'x', {}],
    ['no interval', { everyMs: 0 }, 'x', {}],
    ['an interval that is no number', { everyMs: Number.NaN }, 'x', {}],
    ['a longer one than a century', { everyMs: 4e12 }, 'x', {}],
    ['a name with a colon', { everyMs: 60_000 }, 'a:b', {}],
    ['a message that quotes a result', { everyMs: 60_000 }, 'x', { after: [{ id: 'y', pool: 'default' }] }],
  ])('leaves nothing in Redis when it refuses %s', async (_, times, name, fields) => {
    const mesh = current();
    const before = await mesh.redis.keys('*');
    await expect(mesh.schedules.add(name, times, { ...task, ...fields })).rejects.toMatchObject({ code: 'usage' });
    expect(await mesh.redis.keys('*')).toEqual(before);
    expect(await mesh.schedules.mend()).toEqual([]);
  });

  it('leaves an existing schedule unchanged when it refuses another one of that name', async () => {
    const mesh = current();
    await mesh.schedules.add('daily', cron('0 7 * * *'), task);
    const stored = await mesh.redis.hgetall(mesh.keys.schedules);
    await expect(mesh.schedules.add('daily', cron('0 8 * * *'), task)).rejects.toMatchObject({ code: 'failed' });
    expect(await mesh.redis.hgetall(mesh.keys.schedules)).toEqual(stored);
    expect(await mesh.reader.list({ state: 'delayed', limit: 10 })).toHaveLength(1);
  });

  it('adds one schedule if two callers add the same one at the same moment', async () => {
    const mesh = current();
    const added = await Promise.allSettled([1, 2, 3].map(() => mesh.schedules.add('often', { everyMs: 60_000 }, task)));
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await mesh.reader.list({ limit: 10 })).toHaveLength(1);
  });
});

describe('a removed or paused schedule', () => {
  let mesh: TestMesh;
  const current = meshPerTest('hp');
  beforeEach(() => {
    mesh = current();
  });
  const task = newTask({ message: 'look' });
  const hourly = { everyMs: 3_600_000 } as const;
  const end = (how: string) =>
    how === 'removed' ? mesh.schedules.remove('often') : mesh.schedules.setPaused('often', true);
  const left = async () => (await mesh.reader.list({ limit: 10 })).map(({ id, state }) => [id, state]);

  describe.each(['removed', 'paused'])('(%s)', (how) => {
    it.each([
      ['waits in line', newTask()],
      ['waits in line with a priority', newTask({ priority: 3 })],
      ['waits in another pool', newTask({ pool: 'other' })],
    ])('starts no task of an ended schedule that %s', async (_, task) => {
      await mesh.schedules.add('often', hourly, task);
      await mesh.schedules.add('often2', hourly, task);
      expect(await left()).toHaveLength(2);
      await end(how);
      expect(await left()).toEqual([[expect.stringMatching(/^repeat:often2:/), 'waiting']]);
    });

    it('starts no task of an ended schedule that an outage has held', async () => {
      await mesh.schedules.add('often', hourly, newTask({ require: { gpu: 'yes' } }));
      const node = await mesh.node('mac-1');
      for (let n = 0; n < 3; n++) {
        await makeDue(mesh);
        expect(await node.claim()).toBeUndefined();
        await mesh.schedules.mend();
      }
      expect((await left()).length).toBeGreaterThan(1);
      await end(how);
      expect(await left()).toEqual([]);
      expect(await mesh.reader.held()).toEqual([]);
    });

    it('lets the current run of an ended schedule continue, with its further attempts', async () => {
      await mesh.schedules.add('often', hourly, task);
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      await node.report(claim, { ok: false, error: taskError('unknown', 'a hiccup') });
      await end(how);
      expect(await left()).toEqual([[claim.taskId, 'delayed']]);
    });

    it('stays ended although a node that read it earlier mends or advances it', async () => {
      await mesh.schedules.add('often', hourly, task);
      const { taskId } = await claimNext(await mesh.node('mac-1'));
      const [next] = await mesh.reader.list({ state: 'delayed', limit: 1 });
      await mesh.control.remove(next as NonNullable<typeof next>);
      const { hgetall, hget } = mesh.redis;
      // What a slow node does: all that it reads of the schedule is from before.
      const texts = await mesh.redis.hgetall(mesh.keys.schedules);
      await end(how);
      mesh.redis.hgetall = (async (key: string) =>
        key === mesh.keys.schedules ? texts : hgetall.call(mesh.redis, key)) as typeof hgetall;
      mesh.redis.hget = (async (key: string, field: string) =>
        key === mesh.keys.schedules ? texts[field] : hget.call(mesh.redis, key, field)) as typeof hget;
      await mesh.schedules.mend();
      await mesh.schedules.advance('default', 'often', taskId);
      expect(await left()).toEqual([[taskId, 'active']]);
      expect(await mesh.redis.zcard(mesh.keys.pool('default', 'repeat'))).toBe(0);
    });
  });

  it('resumes once, however often that is requested', async () => {
    await mesh.schedules.add('often', hourly, task);
    await mesh.schedules.setPaused('often', true);
    for (let n = 0; n < 3; n++) await mesh.schedules.setPaused('often', false);
    expect(await left()).toHaveLength(1);
  });

  it('takes its times from Redis alone: the clock of the node plays no part', async () => {
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2031-05-05T05:05:05Z'));
    try {
      await mesh.schedules.add('often', hourly, task);
      await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, task);
    } finally {
      now.mockRestore();
    }
    for (const { nextRunAt } of await mesh.schedules.list()) {
      expect(Date.parse(nextRunAt ?? '')).toBeLessThanOrEqual(Date.now() + 25 * 3_600_000);
    }
  });
});

describe('the job scheduler of another program in one of our pools', () => {
  const current = meshPerTest('hf');

  it('continues a foreign job scheduler as its own worker would, and neither removes nor lists it', async () => {
    const mesh = current();
    const queue = new Queue('default', {
      connection: { host: mesh.redis.options.host, port: mesh.redis.options.port },
      prefix: mesh.keys.bullPrefix,
    });
    try {
      await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, newTask());
      const { id: _id, pool: _pool, ...spec } = newTask({ message: 'theirs' });
      await queue.upsertJobScheduler('their:own', { every: 1_000 }, { name: 'x', data: { v: 1, ...spec } });
      const node = await mesh.node('mac-1');
      const ids: string[] = [];
      while (ids.length < 3) {
        const claim = await claimNext(node);
        ids.push(claim.taskId);
        await node.report(claim, success);
        await mesh.schedules.mend();
      }
      expect(new Set(ids).size).toBe(3);
      expect(ids.every((id) => id.startsWith('repeat:their:own:'))).toBe(true);
      expect((await mesh.schedules.list()).map(({ name }) => name)).toEqual(['daily']);
      expect(await queue.getJobSchedulersCount()).toBe(2);
    } finally {
      await queue.close();
    }
  });

  it('continues a foreign job scheduler although the node that claimed its task queued no next one', async () => {
    const mesh = current();
    const queue = new Queue('default', {
      connection: { host: mesh.redis.options.host, port: mesh.redis.options.port },
      prefix: mesh.keys.bullPrefix,
    });
    try {
      await mesh.producer.enqueue([newTask()]);
      await queue.upsertJobScheduler('theirs', { pattern: '0 7 * * *', tz: 'UTC' }, { data: { v: 1 } });
      const [first] = await mesh.reader.list({ state: 'delayed', limit: 1 });
      await mesh.control.remove(first as NonNullable<typeof first>);
      await mesh.schedules.mend();
      expect(await mesh.reader.list({ state: 'delayed', limit: 5 })).toHaveLength(1);
      await expect(mesh.schedules.add('theirs', { everyMs: 60_000 }, newTask())).rejects.toThrow('another program');
    } finally {
      await queue.close();
    }
  });
});
