import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';
import { readActiveClaims } from './active-claims.ts';

/** An active task whose claim is orphaned. */
export interface OrphanedClaim {
  readonly taskId: string;
  readonly pool: string;
  /** The node that had the claim; null if the claim has lapsed. */
  readonly owner: string | null;
}

/** Active tasks whose lock is gone, or names an incarnation that is not its node's current one. Changes nothing. */
export async function findOrphanedClaims(redis: Redis, keys: MeshKeys): Promise<OrphanedClaim[]> {
  const claims = await readActiveClaims(redis, keys);
  return claims
    .filter(({ isCurrent }) => !isCurrent)
    .map(({ taskId, pool, owner }) => ({ taskId, pool, owner: owner?.nodeId ?? null }));
}
