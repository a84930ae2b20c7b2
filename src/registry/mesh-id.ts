import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../redis/keys.ts';

/**
 * What tells this mesh from every other one of the same name. The first node makes it; it stays with the data, whatever
 * address Redis has.
 */
export async function meshId(redis: Redis, keys: MeshKeys): Promise<string> {
  await redis.set(keys.meshId, randomUUID(), 'NX');
  return z.string().parse(await redis.get(keys.meshId));
}
