import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../redis/keys.ts';

/**
 * The id that distinguishes this mesh from others of the same name. The first node creates it. It stays with the data
 * if the address of Redis changes.
 */
export async function meshId(redis: Redis, keys: MeshKeys): Promise<string> {
  await redis.set(keys.meshId, randomUUID(), 'NX');
  return z.string().parse(await redis.get(keys.meshId));
}
