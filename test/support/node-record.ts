import type { NodeRecord } from '../../src/domain/node.ts';

/** A node's record in a heartbeat; only what is `changed` matters. */
export function aNodeRecord(changed: Partial<NodeRecord> = {}): NodeRecord {
  return {
    incarnation: 1,
    state: 'up',
    host: 'h',
    pid: 1,
    version: '0.1.0',
    uptimeMs: 1,
    labels: {},
    pools: {},
    running: [],
    openclaw: { mode: 'gateway', version: '2026.9.6', expected: null, healthy: true },
    configDigest: 'x',
    gates: [],
    load: { cpu: 0.5, memory: 0.5, eventLoopDelayMs: 1 },
    journal: { pending: 0, discarded: 0 },
    leaseMs: 15_000,
    ...changed,
  };
}
