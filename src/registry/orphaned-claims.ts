import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';
import { readActiveClaims } from './active-claims.ts';

/** A task that is active though its claim is orphaned. */
export interface OrphanedClaim {
  readonly taskId: string;
  readonly pool: string;
  /** The node whose claim it was; null where it has lapsed. */
  readonly owner: string | null;
}

/** Active tasks whose lock is gone, or names an incarnation that is not its node's current one. Changes nothing. */
export async function findOrphanedClaims(redis: Redis, keys: MeshKeys): Promise<OrphanedClaim[]> {
  const claims = await readActiveClaims(redis, keys);
  return claims
    .filter(({ holds }) => !holds)
    .map(({ taskId, pool, owner }) => ({ taskId, pool, owner: owner?.nodeId ?? null }));
}
