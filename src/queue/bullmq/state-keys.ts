import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';
import type { BullState } from './task-view.ts';

/** Where BullMQ keeps the ids of one state. */
export interface StateKey {
  readonly state: BullState;
  readonly type: 'list' | 'zset';
  /** The order of the ids; by time if absent. */
  readonly decides?: 'priority' | 'due time';
  /** Sorted by the time at which the tasks ended. */
  readonly isEnded?: true;
}

/**
 * Where BullMQ keeps the ids of each state. New ids are added at the left of a list, and at the end of a sorted set,
 * unless `decides` names another order.
 */
export const STATE_KEYS: readonly StateKey[] = [
  { state: 'active', type: 'list' },
  { state: 'wait', type: 'list' },
  { state: 'prioritized', type: 'zset', decides: 'priority' },
  { state: 'delayed', type: 'zset', decides: 'due time' },
  { state: 'waiting-children', type: 'zset' },
  { state: 'completed', type: 'zset', isEnded: true },
  // A subset of the failed tasks, for BullMQ.
  { state: 'cancelled', type: 'zset', isEnded: true },
  { state: 'failed', type: 'zset', isEnded: true },
];

/** The list or sorted set of the tasks of a pool in a state. */
export function placeOf(keys: MeshKeys, pool: string, state: BullState): string {
  return state === 'cancelled' ? keys.cancelledTasks(pool) : keys.pool(pool, state);
}

type Command = readonly (string | number)[];

/** The replies to all of these commands, sent at once. */
export async function replies(redis: Redis, commands: readonly Command[]): Promise<unknown[]> {
  return commands.length === 0 ? [] : answersOf(await redis.pipeline(commands.map((one) => [...one])).exec());
}

/** As {@link replies}, but in one step of Redis: nothing happens between two commands. */
export async function repliesAtOnce(redis: Redis, commands: readonly Command[]): Promise<unknown[]> {
  return commands.length === 0 ? [] : answersOf(await redis.multi(commands.map((one) => [...one])).exec());
}

function answersOf(replies: readonly [Error | null, unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
