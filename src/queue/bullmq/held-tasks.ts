import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { TaskRef } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/**
 * The score in BullMQ's sorted set of delayed tasks for those that wait for something else than a time: the largest whole
 * number of a double whose lower 12 bits, BullMQ's counter, are 0. As a time that is in the year 2039.
 */
export const HELD_SCORE = 2 ** 53 - 4_096;

/** Tasks as scripts read them: `<pool>:<id> …`. */
export function namesOf(tasks: readonly TaskRef[]): string {
  return tasks.map(({ pool, id }) => `${pool}:${id}`).join(' ');
}

/** Reasons per script, and tasks looked at: a few milliseconds of Redis time, however much is held. */
const STEP = { reasons: 200, tasks: 400 };
/** As `queue.stickyTimeout` of a config that says nothing else, ms. */
const STICKY_TIMEOUT_MS = 30 * 60_000;

/** Tasks of a pool that are held for some nodes. */
export interface HeldFor {
  readonly pool: string;
  /** A target, or a session. */
  readonly why: string;
  /** The one node that may take them, where they wait for their session or would rather run there. */
  readonly node?: string;
}

/** What one look at everything that is held has found and done. */
export interface Released {
  /** Tasks that are in their queue again. */
  readonly released: number;
  /** Tasks that failed because a task before them has failed or is gone. */
  readonly failed: number;
  /** What is held for some nodes. */
  readonly heldFor: readonly HeldFor[];
}

const stepReply = z.tuple([z.number(), z.number(), z.number(), z.number()], z.string());

/**
 * Releases held tasks if what they wait for has come, or will not come. Any node may do this at any time. The number of
 * requests grows with what is held, one or two for some 200 reasons; nothing else may wait for it.
 *
 * `stickyTimeoutMs`: longest wait for a node that is there and does not take its tasks.
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
