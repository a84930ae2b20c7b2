import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { nextTime, parseTimes } from '../../src/queue/schedule-times.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

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

  it('makes up once for the runs that were missed while nobody was there', async () => {
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

  it('rests while it is paused, and goes on', async () => {
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, task);
    await mesh.schedules.setPaused('daily', true);
    expect(await mesh.schedules.find('daily')).toMatchObject({ paused: true, nextRunAt: null });
    expect(await delayed()).toEqual([]);
    await mesh.schedules.mend();
    expect(await delayed()).toEqual([]);
    await mesh.schedules.setPaused('daily', false);
    expect(await delayed()).toHaveLength(1);
  });

  it('is gone with its next task when it is removed, and its name is free', async () => {
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, task);
    await expect(mesh.schedules.add('daily', { everyMs: 5_000 }, task)).rejects.toMatchObject({ code: 'failed' });
    await mesh.schedules.remove('daily');
    expect(await delayed()).toEqual([]);
    expect(await mesh.schedules.list()).toEqual([]);
    await expect(mesh.schedules.remove('daily')).rejects.toMatchObject({ code: 'not-found' });
    await mesh.schedules.add('daily', { everyMs: 60_000 }, task);
  });

  it.each(['cancelled', 'removed'])('goes on though a task of it was %s', async (how) => {
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

  it('does not run twice though several nodes mend it at once', async () => {
    await mesh.schedules.add('hourly', { cron: '0 * * * *', timezone: 'UTC' }, task);
    const [next] = await delayed();
    await mesh.control.cancel(next as NonNullable<typeof next>, 'by hand');
    await Promise.all(Array.from({ length: 5 }, () => mesh.schedules.mend()));
    expect(await delayed()).toHaveLength(1);
  });
});

describe('the times of a schedule', () => {
  it.each([
    [{}, 'no times given'],
    [{ cron: '0 7 * * *', everyMs: 1_000 }, 'exclude each other'],
    [{ cron: 'every morning' }, 'is no cron line'],
    [{ cron: '0 25 * * *' }, 'is no cron line'],
    [{ cron: '0 7 * * *', timezone: 'Mars/Olympus' }, 'no time zone'],
    [{ everyMs: 5 }, 'at least 1s'],
    [{ everyMs: 5_000, timezone: 'UTC' }, '--tz goes with --cron'],
  ])('are refused where they make no sense: %j', (input, why) => {
    expect(() => parseTimes(input)).toThrow(why);
  });

  it('keep to the wall clock over a change to summer time', () => {
    const times = { cron: '0 7 * * *', timezone: 'Europe/Berlin' };
    const before = nextTime(times, Date.parse('2026-03-28T00:00:00Z'));
    const after = nextTime(times, before);
    expect(new Date(before).toISOString()).toBe('2026-03-28T06:00:00.000Z');
    expect(new Date(after).toISOString()).toBe('2026-03-29T05:00:00.000Z');
  });
});
