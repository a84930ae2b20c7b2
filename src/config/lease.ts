import type { Config } from './schema.ts';

/** How long a heartbeat holds, ms: a node is dead when it has missed the configured number of them. */
export function leaseMs(config: Config): number {
  return config.health.heartbeatInterval * config.health.missedHeartbeats;
}
