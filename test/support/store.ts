import type { Redis } from 'ioredis';
import { loadConfig } from '../../src/config/load.ts';
import { connectRedis, openRedis } from '../../src/redis/connection.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { redisTarget } from '../../src/redis/target.ts';
import { NodeRegistry } from '../../src/registry/node-registry.ts';

/** What a mesh is stored in, for tests that look behind its client or put the mesh into a state by hand. */
export interface Store {
  readonly redis: Redis;
  readonly keys: MeshKeys;
  readonly registry: NodeRegistry;
}

/** Opens the store of the mesh of this config file; the caller disconnects `redis`. */
export async function openStore(file: string, env: NodeJS.ProcessEnv): Promise<Store> {
  const { config } = await loadConfig({ file, env });
  const target = redisTarget(config, env);
  const redis = connectRedis(target, 'service', 'test:store');
  await openRedis(redis, target);
  const keys = MeshKeys.of(config);
  return { redis, keys, registry: new NodeRegistry(redis, keys) };
}
