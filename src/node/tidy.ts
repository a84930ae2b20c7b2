import type { Redis } from 'ioredis';
import * as z from 'zod';
import { isThere } from '../domain/node-state.ts';
import { expireDeliveries } from '../queue/bullmq/outbox.ts';
import { endPoolPauses } from '../queue/bullmq/pause-pool.ts';
import { type Retention, removeExpired } from '../queue/bullmq/retention.ts';
import { scripts } from '../queue/bullmq/scripts.ts';
import { readField } from '../queue/bullmq/task-fields.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { forgetNodes } from '../registry/forget-nodes.ts';
import { NodeRegistry } from '../registry/node-registry.ts';

const DAY_MS = 86_400_000;
/** How long the mesh remembers things out of use, ms. */
export const FORGET_AFTER_MS = {
  /** A node that is away; `status` reports it for this long. */
  node: 30 * DAY_MS,
  /** A pool without a task in any state that no node serves. */
  pool: 30 * DAY_MS,
  /** A circuit of a provider without requests, after some failures (closed) or while in trouble (open). */
  circuit: { closed: DAY_MS, open: 30 * DAY_MS },
};
/** One node at a time tidies for the whole mesh; another may take over after this time, ms. */
const TURN_MS = 15_000;
/** Expired tasks removed from a pool per turn. */
const MAX_REMOVED = 5_000;
/** Tasks checked per script: well below a millisecond of Redis time. */
const WINDOW = 200;

export interface TidyOptions {
  readonly nodeId: string;
  /** The pools that this node serves; its janitor already tidies them. */
  readonly ownPools: readonly string[];
  readonly retention: Retention;
  /** How long an answer may wait for a node that can send it, ms; see `delivery.giveUpAfter`. */
  readonly giveUpAfterMs: number;
  readonly forgetAfterMs?: typeof FORGET_AFTER_MS;
  readonly onError: (error: unknown) => void;
}

/**
 * Bounds the data that belongs to no node. Removes ended tasks of pools that no node serves, and nodes, pools and
 * circuits that have long been out of use. Gives up answers that no node can send. Also removes stale entries from the
 * lists of held, cancelled and acknowledged tasks, and resumes pools whose pause is over. One node does this at a time;
 * an error in one part does not stop the others.
 *
 * @returns the number of removed tasks.
 */
export async function tidyMesh(redis: Redis, keys: MeshKeys, options: TidyOptions): Promise<number> {
  const { nodeId, ownPools, retention, giveUpAfterMs, onError, forgetAfterMs = FORGET_AFTER_MS } = options;
  if ((await redis.set(keys.tidying, nodeId, 'PX', TURN_MS, 'NX')) !== 'OK') return 0;
  let removed = 0;
  const each = async (work: () => Promise<unknown>) => {
    await work().catch(onError);
  };
  const pools = await redis.smembers(keys.pools);
  await each(() => endPoolPauses(redis, keys));
  for (const pool of pools) {
    if (ownPools.includes(pool)) continue;
    await each(async () => {
      for (let last = 1, all = 0; last > 0 && all < MAX_REMOVED; all += last) {
        last = await removeExpired(redis, keys, pool, retention);
        removed += last;
      }
    });
  }
  for (const pool of pools) {
    await each(() => inSteps((first) => scripts.pruneEnded.run(redis, keys, [pool, 'cancelled', first, WINDOW])));
    await each(() => inSteps((first) => scripts.pruneEnded.run(redis, keys, [pool, 'acknowledged', first, WINDOW])));
  }
  for (const member of await redis.smembers(keys.held)) {
    const [pool = '', why = ''] = member.split(' ');
    await each(() => inSteps((first) => scripts.pruneHeld.run(redis, keys, [pool, why, first, WINDOW])));
  }
  await each(() => expireDeliveries(redis, keys, giveUpAfterMs));
  await each(() => forgetNodes(redis, keys, forgetAfterMs.node));
  await each(() => forgetPools(redis, keys, forgetAfterMs.pool, each));
  const { closed, open } = forgetAfterMs.circuit;
  await each(() => scripts.forgetCircuits.run(redis, keys, [closed, open]));
  return removed;
}

/** Repeats the step from the position that the last one returned, until it returns 0. */
async function inSteps(step: (first: number) => Promise<unknown>): Promise<void> {
  let first = 0;
  do first = Number(await step(first));
  while (first > 0);
}

async function forgetPools(
  redis: Redis,
  keys: MeshKeys,
  keepMs: number,
  each: (work: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const used = new Set<string>();
  for (const text of Object.values(await redis.hgetall(keys.schedules))) {
    const stored = readField(z.object({ pool: z.string() }), text);
    // An unreadable schedule may be for any pool.
    if (!stored) return;
    used.add(stored.pool);
  }
  for (const { state, pools } of await new NodeRegistry(redis, keys).seen()) {
    if (isThere(state)) for (const pool of Object.keys(pools)) used.add(pool);
  }
  for (const pool of await redis.smembers(keys.pools)) {
    await each(() => scripts.forgetPool.run(redis, keys, [pool, used.has(pool) ? 1 : 0, keepMs]));
  }
}
