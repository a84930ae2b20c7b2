import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';

/** Number of tasks that ended in one part of a period, and are still kept. */
export interface EndedTasks {
  /** Beginning of the part, ISO 8601. */
  readonly from: string;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

/**
 * The tasks of all these pools that ended in each of `parts` equal parts of a period, the oldest part first. Redis
 * counts them by time, so no task is read.
 *
 * @param period beginning and end, Redis time (ms)
 */
export async function countEndedTasks(
  redis: Redis,
  keys: MeshKeys,
  pools: readonly string[],
  { from, to, parts }: { from: number; to: number; parts: number },
): Promise<EndedTasks[]> {
  const starts = Array.from({ length: parts }, (_, part) => Math.round(from + ((to - from) * part) / parts));
  const sets = pools.flatMap((pool) => [
    keys.pool(pool, 'completed'),
    // Cancelled tasks are a part of the failed ones, for BullMQ.
    keys.pool(pool, 'failed'),
    keys.cancelledTasks(pool),
  ]);
  const commands = starts.flatMap((start, part) => {
    const end = starts[part + 1] ?? to;
    return sets.map((key) => ['zcount', key, start, `(${end}`]);
  });
  const replies = commands.length === 0 ? [] : ((await redis.pipeline(commands).exec()) ?? []);
  const numbers = replies.map(([error, count]) => {
    if (error) throw error;
    return Number(count);
  });
  return starts.map((start, part) => {
    const counts = numbers.slice(part * sets.length, (part + 1) * sets.length);
    const sum = (place: number) => counts.reduce((total, count, index) => total + (index % 3 === place ? count : 0), 0);
    const [completed, ended, cancelled] = [sum(0), sum(1), sum(2)];
    return { from: new Date(start).toISOString(), completed, failed: Math.max(0, ended - cancelled), cancelled };
  });
}
