import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { TaskRef } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/**
 * The score of held tasks in BullMQ's sorted set of delayed tasks, where they wait for something other than a time. It
 * is the largest integer of a double whose lower 12 bits, BullMQ's counter, are 0. As a time, it is in the year 2039.
 */
export const HELD_SCORE = 2 ** 53 - 4_096;

/** Tasks as scripts read them: `<pool>:<id> …`. */
export function namesOf(tasks: readonly TaskRef[]): string {
  return tasks.map(({ pool, id }) => `${pool}:${id}`).join(' ');
}

/** Reasons and tasks per script call: a few milliseconds of Redis time, regardless of the number of held tasks. */
const STEP = { reasons: 200, tasks: 400 };
/** The default of `queue.stickyTimeout`, ms. */
const STICKY_TIMEOUT_MS = 30 * 60_000;

/** Tasks of a pool that are held for certain nodes. */
export interface HeldFor {
  readonly pool: string;
  /** A target, or a session. */
  readonly why: string;
  /** The only node that may claim them, if they wait for their sticky node or prefer this node. */
  readonly node?: string;
}

/** The result of one pass over all held tasks. */
export interface Released {
  /** Tasks that are back in line. */
  readonly released: number;
  /** Tasks that failed because a task before them failed or is gone. */
  readonly failed: number;
  /** Tasks that are held for certain nodes. */
  readonly heldFor: readonly HeldFor[];
}

const stepReply = z.tuple([z.number(), z.number(), z.number(), z.number()], z.string());

/**
 * Releases held tasks if their condition is met, or can no longer be met. Any node may do this at any time. The number
 * of requests grows with the number of reasons, one or two per 200 reasons, so nothing else may wait for this.
 *
 * `stickyTimeoutMs`: longest wait for a present node that does not claim its tasks.
 */
export async function releaseHeld(
  redis: Redis,
  keys: MeshKeys,
  { stickyTimeoutMs = STICKY_TIMEOUT_MS }: { stickyTimeoutMs?: number } = {},
): Promise<Released> {
  const total = { released: 0, failed: 0, heldFor: [] as HeldFor[] };
  let cursor = '0';
  do {
    const [next, members] = await redis.sscan(keys.held, cursor, 'COUNT', STEP.reasons);
    cursor = next;
    let left = members;
    let first = 0;
    while (left.length > 0) {
      const reasons = left.slice(0, STEP.reasons);
      const reply = await scripts.releaseHeld.run(redis, keys, [STEP.tasks, first, stickyTimeoutMs, ...reasons]);
      const [through, looked, released, failed, ...waiting] = stepReply.parse(reply);
      total.released += released;
      total.failed += failed;
      for (let i = 0; i + 1 < waiting.length; i += 2) {
        const [pool = '', why = ''] = (waiting[i] ?? '').split(' ');
        total.heldFor.push({ pool, why, ...(waiting[i + 1] && { node: waiting[i + 1] }) });
      }
      left = left.slice(through);
      first = looked;
    }
  } while (cursor !== '0');
  return total;
}
