import type { Config } from './schema.ts';

/** How long a heartbeat renews the lease, ms. A node that misses the configured number of heartbeats is dead. */
export function leaseMs(config: Config): number {
  return config.health.heartbeatInterval * config.health.missedHeartbeats;
}
