import type { Redis } from 'ioredis';
import { z } from 'zod';
import { isTarget } from '../domain/target.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';

/**
 * The score in BullMQ's sorted set of delayed tasks for those that wait for something else than a time: the largest whole
 * number of a double whose lower 12 bits, BullMQ's counter, are 0. As a time that is in the year 2039.
 */
export const HELD_SCORE = 2 ** 53 - 4_096;
/** The same as a time, ms. */
export const HELD_UNTIL_MS = HELD_SCORE / 4_096;
/** Why a task is held that comes after others. */
export const AFTER = 'after';

/** Tasks looked at per script: well below a millisecond of Redis time. */
const WINDOW = 200;

/** Tasks of a pool that are held for some nodes. */
export interface HeldFor {
  readonly pool: string;
  /** A target, or a session. */
  readonly why: string;
  /** The one node that may take them, where they wait for their session. */
  readonly node?: string;
}

/**
 * Lets held tasks go on where what they wait for has come. Any node may do this at any time.
 *
 * @returns how many went on, how many failed because a task they come after has failed, and what is held for some nodes.
 */
export async function releaseHeld(
  redis: Redis,
  keys: MeshKeys,
): Promise<{ released: number; failed: number; heldFor: HeldFor[] }> {
  const total = { released: 0, failed: 0, heldFor: [] as HeldFor[] };
  for (const member of await redis.smembers(keys.held)) {
    const [pool = '', why = ''] = member.split(' ');
    const [, kind, name] = /^(session|prefer):(.*)$/.exec(why) ?? [];
    if (name !== undefined) {
      const waitFor = kind === 'prefer' ? { node: name } : { session: name };
      const { node, released } = await releaseHomeless(redis, keys, { pool, why }, waitFor);
      total.released += released;
      if (node !== '') total.heldFor.push({ pool, why, node });
      continue;
    }
    if (isTarget(why)) {
      total.heldFor.push({ pool, why });
      continue;
    }
    let first = 0;
    for (;;) {
      const reply = await scripts.releaseHeld.run(redis, releaseKeys(keys, pool, why), [
        member,
        why === AFTER ? '' : why.replace(/^circuit:/, ''),
        keys.task(pool, ''),
        `${keys.bullPrefix}:`,
        WINDOW,
        first,
      ]);
      const [next, released, failed] = z.tuple([z.number(), z.number(), z.number()]).parse(reply);
      total.released += released;
      total.failed += failed;
      first = next;
      // A circuit that has closed gives its tasks back window by window.
      if (next === 0 && released < WINDOW) break;
    }
  }
  return total;
}

/** Lets tasks go on elsewhere that wait for one node, if it's gone; else that node is answered. */
async function releaseHomeless(
  redis: Redis,
  keys: MeshKeys,
  { pool, why }: Pick<HeldFor, 'pool' | 'why'>,
  { node: wanted = '', session = '' }: { node?: string; session?: string },
): Promise<{ node: string; released: number }> {
  const bull = ['delayed', 'wait', 'prioritized', 'marker', 'meta', 'events', 'pc'];
  const reply = await scripts.releaseHomeless.run(
    redis,
    [
      keys.heldTasks(pool, why),
      keys.held,
      `${keys.sessionPrefix}${session}`,
      keys.leases,
      keys.nodes,
      keys.control,
      ...bull.map((what) => keys.pool(pool, what)),
    ],
    [`${pool} ${why}`, keys.task(pool, ''), `${keys.bullPrefix}:`, WINDOW, wanted],
  );
  const [node, released] = z.tuple([z.string(), z.number()]).parse(reply);
  return { node, released };
}

function releaseKeys(keys: MeshKeys, pool: string, why: string): string[] {
  const bull = ['wait', 'prioritized', 'marker', 'meta', 'events', 'pc', 'delayed', 'failed'];
  return [keys.heldTasks(pool, why), keys.held, keys.circuits, ...bull.map((what) => keys.pool(pool, what))];
}
