import type { Redis } from 'ioredis';
import { type Incarnation, tokenOwner } from '../domain/claim.ts';
import type { MeshKeys } from '../redis/keys.ts';

/** Locks read per command, to stay far below a millisecond of Redis time. */
const LOCKS_AT_ONCE = 500;

/** An active task and the owner of its lock. Only the lock is authoritative: a heartbeat may be seconds old. */
export interface ActiveClaim {
  readonly taskId: string;
  readonly pool: string;
  /** The incarnation that the lock names; undefined if the lock has lapsed. */
  readonly owner: Incarnation | undefined;
  /**
   * Whether the owner is its node's current incarnation. If not, the claim is orphaned and the task goes to another
   * node.
   */
  readonly isCurrent: boolean;
}

/**
 * All active tasks of the mesh with their owners. Changes nothing.
 *
 * Incarnations are read after the locks. A lock never names an incarnation that Redis has not assigned yet, so a claim
 * that looks orphaned here really is.
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
    return {
      taskId,
      pool,
      owner,
      isCurrent: owner !== undefined && incarnations[owner.nodeId] === `${owner.incarnation}`,
    };
  });
}
