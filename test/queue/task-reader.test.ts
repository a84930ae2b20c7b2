import { describe, expect, it } from 'vitest';
import { type Task, taskError } from '../../src/domain/task.ts';
import { takeSnapshot } from '../../src/ops/snapshot.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openClient } from '../support/client.ts';
import { claimNext, makeTimesDue, meshPerTest, newTask, success } from '../support/pool.ts';

describe('lists of tasks', () => {
  const mesh = meshPerTest('lists');
  /** What is queued after this has a later time than what was queued before. */
  const laterThanNow = async () => {
    const now = await mesh().registry.redisTime();
    await expect.poll(() => mesh().registry.redisTime(), { interval: 2 }).toBeGreaterThan(now + 1);
  };

  it('lists the newest first by enqueue time, whatever their ids look like', async () => {
    const node = await mesh().node('mac-1');
    await mesh().schedules.add('often', { everyMs: 3_600_000 }, newTask({ message: 'scheduled' }));
    await makeTimesDue(mesh());
    const run = await claimNext(node);
    expect(run.taskId).toMatch(/^repeat:often:/);
    await node.report(run, success);
    await laterThanNow();
    const [running] = await mesh().producer.enqueue([newTask({ message: 'running' })]);
    const claim = await claimNext(node);
    expect(claim.taskId).toBe(running?.id);
    const [waiting] = await mesh().producer.enqueue([newTask({ message: 'waiting' })]);
    const listed = await mesh().reader.list({ limit: 10 });
    const times = listed.map(({ enqueuedAt }) => enqueuedAt);
    expect(times).toEqual([...times].sort().reverse());
    expect(listed[0]?.id).toBe(waiting?.id);
    expect((await mesh().reader.list({ limit: 2 })).map(({ id }) => id)).toEqual([waiting?.id, running?.id]);
  });

  it('has no results, which are read on request and in batches', async () => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue(Array.from({ length: 25 }, () => newTask()));
    for (let run = 0; run < 24; run++) await node.report(await claimNext(node), success);
    const tasks = await mesh().reader.list({ limit: 30 });
    expect(new Set(tasks.map(({ result }) => result))).toEqual(new Set([null]));
    const complete: Task[] = [];
    for await (const task of mesh().reader.withResults(tasks)) complete.push(task);
    expect(complete.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
    const texts = complete.map(({ result }) => result?.text ?? null);
    expect(texts.toSorted()).toEqual([...Array(24).fill('done'), null].toSorted());
  });

  it('finds ended tasks of a time without reading the newer ones', async () => {
    const { reader, redis, keys, producer } = mesh();
    const node = await mesh().node('mac-1');
    const [old] = await producer.enqueue([newTask()]);
    await node.report(await claimNext(node), success);
    // More newer tasks than a filter reads.
    const completed = keys.pool('default', 'completed');
    await redis.zadd(completed, ...Array.from({ length: 21_000 }, (_, n) => [2_000_000 + n, `newer${n}`]).flat());
    const ended = async (id: string, at: number) => {
      await redis.hset(keys.task('default', id), 'finishedOn', String(at));
      await redis.zadd(completed, at, id);
    };
    await ended(old?.id ?? '', 1_000_000);
    const found = async (filter: { since?: number; until?: number }) =>
      (await reader.list({ limit: 5, state: ['completed', 'failed'], ...filter })).map(({ id }) => id);
    expect(await found({ until: 1_500_000 })).toEqual([old?.id]);
    expect(await found({ since: 1_000_000, until: 1_000_001 })).toEqual([old?.id]);
    expect(await found({ since: 1_000_001, until: 1_500_000 })).toEqual([]);
    expect(await found({ until: 1_000_000 })).toEqual([]);
  });

  it('selects tasks in several states, each once, without their messages', async () => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue([newTask(), newTask(), newTask(), newTask()]);
    const [failed, cancelled] = [await claimNext(node), await claimNext(node)];
    await node.report(failed, { ok: false, error: taskError('invalid', 'x') });
    await mesh().control.cancel({ id: cancelled.taskId, pool: 'default' }, 'x');
    await node.report(cancelled, { ok: false, error: taskError('cancelled', 'x') });
    const completed = await claimNext(node);
    await node.report(completed, success);
    const selected = await mesh().reader.select({ limit: 10, state: ['failed', 'cancelled', 'waiting'] });
    expect(selected.map(({ state }) => state).sort()).toEqual(['cancelled', 'failed', 'waiting']);
    expect(Object.keys(selected[0] ?? {}).sort()).toEqual(['enqueuedAt', 'id', 'pool', 'state']);
  });

  it('never misses a task that changes its state meanwhile, and counts it once', async () => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue([newTask()]);
    let listing = true;
    const moves = async () => {
      while (listing) await node.release(await claimNext(node), 'drain');
    };
    const moving = moves();
    const seen = new Set<string>();
    for (let round = 0; round < 300; round++) {
      const states = (await mesh().reader.list({ limit: 10 })).map(({ state }) => state);
      const { waiting = 0, active = 0 } = (await mesh().reader.counts(['default'])).get('default') ?? {};
      seen.add(`${states.length} listed, ${waiting + active} counted`);
    }
    listing = false;
    await moving;
    expect([...seen]).toEqual(['1 listed, 1 counted']);
  });

  it('lists the newest with a priority or a delay, too, however urgent or delayed they are', async () => {
    const old = (fields: object) => Array.from({ length: 30 }, () => newTask({ message: 'old', ...fields }));
    await mesh().producer.enqueue([...old({ priority: 9 }), ...old({ delayMs: 7_200_000 })]);
    for (let i = 0; i < 10; i++) {
      await mesh().schedules.add(`s${i}`, { cron: '0 0 1 1 *', timezone: 'UTC' }, newTask({ message: 'scheduled' }));
    }
    await laterThanNow();
    await mesh().producer.enqueue([
      newTask({ message: 'urgent', priority: 1 }),
      newTask({ message: 'soon', delayMs: 600_000 }),
    ]);
    const newest = await mesh().reader.list({ limit: 2 });
    expect(newest.map(({ message }) => message)).toEqual(['soon', 'urgent']);
    const [delayed] = await mesh().reader.list({ state: 'delayed', limit: 1 });
    expect(delayed?.message).toBe('soon');
    const [waiting] = await mesh().reader.list({ state: 'waiting', limit: 1 });
    expect(waiting?.message).toBe('urgent');
  });

  it('shows the longest-running tasks in the state of the mesh, over all pools, and how many more there are', async () => {
    const [node, other] = [await mesh().node('mac-1'), await mesh().node('mac-2', { pool: 'xcode' })];
    const [first] = await mesh().producer.enqueue([newTask({ pool: 'xcode' })]);
    await claimNext(other);
    await mesh().producer.enqueue(Array.from({ length: 99 }, () => newTask()));
    const claimed: string[] = [];
    for (let i = 0; i < 99; i++) claimed.push((await claimNext(node)).taskId);
    const client = await openClient(mesh());
    const { snapshot } = await takeSnapshot(client, systemClock).finally(() => client.close());
    expect(snapshot.running).toHaveLength(20);
    const ids = snapshot.running.map(({ id }) => id);
    expect(ids).toContain(first?.id);
    const starts = snapshot.running.map(({ startedAt }) => startedAt);
    expect(starts).toEqual([...starts].sort());
    // Many are claimed in one millisecond; but none of the second half is among them.
    expect(ids.filter((id) => claimed.indexOf(id) > 50)).toEqual([]);
    expect(snapshot.moreRunning).toBe(80);
  });
});
