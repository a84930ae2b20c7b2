import { describe, expect, it } from 'vitest';
import { percentilesOf } from '../../src/domain/percentiles.ts';
import { readTaskTimes } from '../../src/queue/bullmq/task-times.ts';
import { claimNext, makeTimesDue, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

describe('percentiles', () => {
  it('are durations of the sample, by nearest rank', () => {
    expect(percentilesOf([])).toBeNull();
    expect(percentilesOf([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentilesOf(hundred)).toEqual({ p50: 50, p95: 95, p99: 99 });
    expect(percentilesOf([1, 2, 3, 1_000])).toEqual({ p50: 2, p95: 1_000, p99: 1_000 });
  });
});

describe('the times of tasks', () => {
  const mesh = meshPerTest('times');
  const timesOf = ({ redis, keys }: TestMesh, since = 0) => readTaskTimes(redis, keys, ['default'], since);
  /** Moves the times of a task in Redis, so that no test has to wait. */
  const setTimes = async (id: string, times: Record<'timestamp' | 'processedOn' | 'finishedOn', number>) => {
    const { redis, keys } = mesh();
    await redis.hset(keys.task('default', id), times);
    await redis.zadd(keys.pool('default', 'completed'), 'XX', times.finishedOn, id);
  };
  const completed = async (delayMs = 0) => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue([newTask({ delayMs })]);
    await makeTimesDue(mesh());
    const claim = await claimNext(node);
    await node.report(claim, success);
    return claim.taskId;
  };

  it('are the wait until the first claim and the length of the last run', async () => {
    await setTimes(await completed(), { timestamp: 1_000, processedOn: 3_000, finishedOn: 10_000 });
    expect(await timesOf(mesh())).toEqual([
      {
        pool: 'default',
        ended: 1,
        sampled: 1,
        wait: { p50: 2_000, p95: 2_000, p99: 2_000 },
        run: { p50: 7_000, p95: 7_000, p99: 7_000 },
      },
    ]);
  });

  it('do not count the delay that a task was enqueued with as a wait', async () => {
    await setTimes(await completed(60_000), { timestamp: 1_000, processedOn: 63_000, finishedOn: 64_000 });
    expect((await timesOf(mesh()))[0]?.wait?.p50).toBe(2_000);
  });

  it('leave out tasks that ended before the period, and pools without any', async () => {
    await setTimes(await completed(), { timestamp: 1_000, processedOn: 3_000, finishedOn: 10_000 });
    expect(await timesOf(mesh(), 10_001)).toEqual([{ pool: 'default', ended: 0, sampled: 0, wait: null, run: null }]);
  });

  it('read at most a thousand tasks of a state, the newest, however many have ended', async () => {
    const { redis, keys } = mesh();
    const id = await completed();
    await setTimes(id, { timestamp: 1_000, processedOn: 3_000, finishedOn: 10_000 });
    const many = redis.pipeline();
    for (let index = 0; index < 1_200; index++) {
      const at = 20_000 + index;
      many.hset(keys.task('default', `many-${index}`), { timestamp: at, processedOn: at + 5, finishedOn: at + 6 });
      many.zadd(keys.pool('default', 'completed'), at + 6, `many-${index}`);
    }
    await many.exec();
    const [times] = await timesOf(mesh());
    expect(times).toMatchObject({ ended: 1_201, sampled: 1_000, wait: { p99: 5 } });
  });
});
