import type { Redis } from 'ioredis';
import { tokenOwner } from '../domain/claim.ts';
import type { MeshKeys } from '../redis/keys.ts';

/** A task that is active though its claim is void. */
export interface VoidClaim {
  readonly taskId: string;
  readonly pool: string;
  /** The node whose claim it was; null where it has lapsed. */
  readonly owner: string | null;
}

/** Active tasks whose lock is gone, or names an incarnation that is not its node's current one. Changes nothing. */
export async function findVoidClaims(redis: Redis, keys: MeshKeys): Promise<VoidClaim[]> {
  const incarnations = await redis.hgetall(keys.incarnations);
  const found: VoidClaim[] = [];
  for (const pool of await redis.smembers(keys.pools)) {
    const active = await redis.lrange(keys.pool(pool, 'active'), 0, '-1');
    const tokens = active.length > 0 ? await redis.mget(active.map((id) => `${keys.task(pool, id)}:lock`)) : [];
    for (const [index, taskId] of active.entries()) {
      const owner = tokenOwner(tokens[index] ?? '');
      const current = owner && incarnations[owner.nodeId] === String(owner.incarnation);
      if (!current) found.push({ taskId, pool, owner: owner?.nodeId ?? null });
    }
  }
  return found;
}
