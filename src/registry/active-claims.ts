import type { Redis } from 'ioredis';
import { type Incarnation, tokenOwner } from '../domain/claim.ts';
import type { MeshKeys } from '../redis/keys.ts';

/** Locks read per command: far below a millisecond of Redis time. */
const LOCKS_AT_ONCE = 500;

/** An active task, and who has it by its lock: the one truth about that. A heartbeat only tells how it was, seconds ago. */
export interface ActiveClaim {
  readonly taskId: string;
  readonly pool: string;
  /** The incarnation that the lock names; undefined where the lock has lapsed. */
  readonly owner: Incarnation | undefined;
  /** Whether that is its node's current incarnation. If not, the task goes to another node. */
  readonly holds: boolean;
}

/**
 * All active tasks of the mesh with who has them. Changes nothing.
 *
 * Incarnations are read after the locks: a lock never names one that has not been given out yet, so a claim that doesn't
 * hold here really does not.
 */
export async function readActiveClaims(redis: Redis, keys: MeshKeys): Promise<ActiveClaim[]> {
  const locks: { taskId: string; pool: string; token: string | null }[] = [];
  for (const pool of await redis.smembers(keys.pools)) {
    const active = await redis.lrange(keys.pool(pool, 'active'), 0, '-1');
    for (let start = 0; start < active.length; start += LOCKS_AT_ONCE) {
      const ids = active.slice(start, start + LOCKS_AT_ONCE);
      const tokens = await redis.mget(ids.map((id) => `${keys.task(pool, id)}:lock`));
      for (const [index, taskId] of ids.entries()) locks.push({ taskId, pool, token: tokens[index] ?? null });
    }
  }
  if (locks.length === 0) return [];
  const incarnations = await redis.hgetall(keys.incarnations);
  return locks.map(({ taskId, pool, token }) => {
    const owner = tokenOwner(token ?? '');
    return { taskId, pool, owner, holds: owner !== undefined && incarnations[owner.nodeId] === `${owner.incarnation}` };
  });
}
