import { describe, expect, it } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { RunReader, type TaskHistory } from '../../src/queue/bullmq/run-reader.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';

describe('the reader of runs', () => {
  const mesh = meshPerTest('runs');
  const reader = () => new RunReader(mesh().redis, mesh().keys);
  /** The events of each task, with their nodes. */
  const shown = (tasks: readonly TaskHistory[]) =>
    tasks.map(({ history }) => history.map(({ event, node }) => (node ? `${event} ${node}` : event)).join(', ')).sort();

  it('reads running tasks, tasks between two runs, and ended tasks with their ends', async () => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue(Array.from({ length: 6 }, () => newTask({ attempts: 2 })));
    const failure = (kind: 'crash' | 'invalid') => ({ ok: false as const, error: taskError(kind, 'no') });
    await node.report(await claimNext(node), success);
    await node.report(await claimNext(node), failure('invalid'));
    await node.report(await claimNext(node), failure('crash'));
    const running = await claimNext(node);
    const cancelled = await claimNext(node);
    await mesh().control.cancel({ id: cancelled.taskId, pool: 'default' }, 'not needed');
    await node.report(cancelled, { ok: false, error: taskError('cancelled', 'cancelled') });

    expect(shown(await reader().active(10))).toEqual(['enqueued, claimed mac-1']);
    expect(shown(await reader().interrupted(10))).toEqual(['enqueued, claimed mac-1, retry mac-1']);
    const { tasks, reach } = await reader().ended({ limit: 10 });
    expect(shown(tasks)).toEqual([
      'enqueued, claimed mac-1, cancelled mac-1',
      'enqueued, claimed mac-1, completed mac-1',
      'enqueued, claimed mac-1, failed mac-1',
    ]);
    expect(reach).toBe(null);

    await node.release(running, 'drain');
    expect(shown(await reader().interrupted(10))).toEqual([
      'enqueued, claimed mac-1, handover mac-1',
      'enqueued, claimed mac-1, retry mac-1',
    ]);
    const missing = { id: 'missing', pool: 'default' };
    const released = { id: running.taskId, pool: 'default' };
    expect(shown(await reader().of([missing, released]))).toEqual(['enqueued, claimed mac-1, handover mac-1']);
  });

  it('pages through ended tasks of all pools, misses none, and ends', async () => {
    const ids = new Set<string>();
    for (const pool of ['a', 'b']) {
      const node = await mesh().node('mac-1', { pool });
      const queued = await mesh().producer.enqueue(Array.from({ length: 30 }, () => newTask({ pool })));
      for (const { id } of queued) {
        ids.add(id);
        await node.report(await claimNext(node), success);
      }
      // Many ended in the same millisecond.
      const key = mesh().keys.pool(pool, 'completed');
      for (const [index, { id }] of queued.entries()) await mesh().redis.zadd(key, 1_000 + Math.floor(index / 4), id);
    }
    const seen = new Set<string>();
    let pages = 0;
    for (let until: number | undefined; ; pages++) {
      const { tasks, reach } = await reader().ended({ until, limit: 10 });
      for (const { id } of tasks) seen.add(id);
      if (reach === null) break;
      until = reach;
    }
    expect(seen).toEqual(ids);
    expect(pages).toBeLessThan(20);
    const { tasks } = await reader().ended({ since: 1_006, until: 1_006, limit: 100 });
    expect(tasks).toHaveLength(8);
  });

  it('returns the beginning of a message as the title, and null for a task that is gone', async () => {
    const [task] = await mesh().producer.enqueue([newTask({ message: 'x'.repeat(200) })]);
    expect(await reader().title({ id: task?.id ?? '', pool: 'default' }, 80)).toBe('x'.repeat(80));
    expect(await reader().title({ id: 'missing', pool: 'default' }, 80)).toBe(null);
  });
});
