import { expect, it } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { removeExpired } from '../../src/queue/bullmq/retention.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';

const mesh = meshPerTest('retention');
const DAY_MS = 86_400_000;

/** A pool with a completed, a failed and a cancelled task; what is removed, and the states of the rest. */
const pool = async () => {
  const { producer, reader, control, redis, keys } = mesh();
  const node = await mesh().node('mac-1');
  const failure = { ok: false, error: taskError('invalid', 'x') } as const;
  for (const outcome of [success, failure]) {
    await producer.enqueue([newTask()]);
    await node.report(await claimNext(node), outcome);
  }
  const [cancelled] = await producer.enqueue([newTask()]);
  await control.cancel({ id: cancelled?.id ?? '', pool: 'default' }, 'by hand');
  return async (retention: { completedMs?: number; failedMs?: number; count?: number }) => {
    const kept = { completedMs: DAY_MS, failedMs: DAY_MS, count: 9, usageMs: 0, ...retention };
    const removed = await removeExpired(redis, keys, 'default', kept);
    return [removed, (await reader.list({ limit: 9 })).map(({ state }) => state).sort()];
  };
};

it('removes completed tasks after their own retention, and failed and cancelled ones after another', async () => {
  const remove = await pool();
  expect(await remove({})).toEqual([0, ['cancelled', 'completed', 'failed']]);
  expect(await remove({ completedMs: 0 })).toEqual([1, ['cancelled', 'failed']]);
  expect(await remove({ failedMs: 0 })).toEqual([2, []]);
});

it('counts completed tasks apart from failed and cancelled ones, and removes the oldest beyond each limit', async () => {
  const remove = await pool();
  expect(await remove({ count: 1 })).toEqual([1, ['cancelled', 'completed']]);
  expect(await mesh().redis.zcard(mesh().keys.cancelledTasks('default'))).toBe(1);
  expect(await remove({ count: 0 })).toEqual([2, []]);
  expect(await mesh().redis.exists(mesh().keys.cancelledTasks('default'))).toBe(0);
});
