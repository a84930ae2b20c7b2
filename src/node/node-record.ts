import { hostname } from 'node:os';
import { leaseMs } from '../config/lease.ts';
import type { LiveConfig } from '../config/live.ts';
import type { NodeConfig } from '../config/node-settings.ts';
import type { NodeLoad, NodeRecord, OpenClawState } from '../domain/node.ts';
import type { Journal } from './journal.ts';
import type { Readiness } from './readiness.ts';
import type { Running } from './running.ts';
import { runsByPool } from './runs-by-pool.ts';

/** What a heartbeat says of this life of the node. */
export function nodeRecord(
  of: { live: LiveConfig; settings: NodeConfig; version: string; journal: Journal },
  now: {
    incarnation: number;
    startedAt: number;
    stopped: boolean;
    readiness: Readiness;
    running: Running;
    openclaw: OpenClawState;
    load: NodeLoad;
  },
): NodeRecord {
  return {
    incarnation: now.incarnation,
    state: now.stopped ? 'stopped' : now.readiness.state,
    host: hostname(),
    pid: process.pid,
    version: of.version,
    uptimeMs: Math.round(performance.now() - now.startedAt),
    labels: of.settings.labels,
    allow: of.settings.allow,
    ...runsByPool(of.settings.pools, now.running.runs),
    maxTasks: of.settings.maxTasks,
    openclaw: now.openclaw,
    configDigest: of.live.digest,
    gates: now.readiness.gates(),
    load: now.load,
    journal: of.journal.counts(),
    leaseMs: leaseMs(of.live.config),
  };
}
