import type { Config } from '../config/schema.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { RedisTarget } from './connection.ts';
import { findPrivateServer } from './private-server.ts';

/** The Redis of this mesh: the configured one, or the private server on this machine. @throws ClawmeshError `redis`. */
export function redisTarget(config: Config, env: NodeJS.ProcessEnv): RedisTarget {
  if (config.redis) return { kind: 'shared', config: config.redis };
  const target = findPrivateServer(config.mesh, env);
  if (target) return target;
  throw new ClawmeshError('redis', `no Redis is configured, and no private Redis runs here for mesh "${config.mesh}"`, {
    remedy: 'start one with `clawmesh up`, or set redis.url in the config',
  });
}
