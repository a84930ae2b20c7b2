import type { Redis } from 'ioredis';
import { ClawmeshError } from '../../domain/errors.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { timesAfter } from '../schedule-times.ts';
import { taskIdOf } from './stored-schedule.ts';
import { TaskControl } from './task-control.ts';

/**
 * How many times of a cron line to try for one without an ended task before giving up: an operator has cancelled years
 * of them.
 */
const MOST_TAKEN = 1_000;

/** A schedule with a cron line. */
interface CronSchedule {
  readonly name: string;
  readonly cron?: string | undefined;
  readonly timezone?: string | null | undefined;
}

/**
 * The first future time of a cron line after `last` (ms) without a task in any pool. A cancelled run stays cancelled,
 * and BullMQ refuses a time that already has a task. A task at the time `except` (ms) does not count.
 */
export async function freeTime(
  redis: Redis,
  keys: MeshKeys,
  { name, cron = '', timezone = null, last, except }: CronSchedule & { last: number; except?: number | undefined },
): Promise<number> {
  const pools = await redis.smembers(keys.pools);
  const from = Math.max(await redisTime(redis), last);
  for (const time of timesAfter({ cron, timezone }, from, MOST_TAKEN)) {
    const tasks = pools.map((pool) => keys.task(pool, taskIdOf(name, time)));
    if (time === except || tasks.length === 0 || (await redis.exists(...tasks)) === 0) return time;
  }
  throw new ClawmeshError(
    'failed',
    `schedule ${name} has no free time: its next ${MOST_TAKEN} times already have a task, or never come`,
    {
      remedy: `remove these tasks: clawmesh task remove repeat:${name}:<time>`,
    },
  );
}

/** Removes ended runs of an earlier schedule with this name, so that they do not block the new one. */
export async function clearTimes(
  redis: Redis,
  keys: MeshKeys,
  { name, cron, timezone = null }: CronSchedule,
): Promise<void> {
  if (cron === undefined) return;
  const pools = await redis.smembers(keys.pools);
  for (const time of timesAfter({ cron, timezone }, await redisTime(redis), MOST_TAKEN)) {
    let cleared = 0;
    for (const pool of pools) {
      const id = taskIdOf(name, time);
      if ((await redis.hexists(keys.task(pool, id), 'finishedOn')) === 0) continue;
      await new TaskControl(redis, keys).remove({ id, pool });
      cleared++;
    }
    if (cleared === 0) return;
  }
}
