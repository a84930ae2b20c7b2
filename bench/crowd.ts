import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LiveConfig } from '../src/config/live.ts';
import { configSchema } from '../src/config/schema.ts';
import { createLogger } from '../src/log/logger.ts';
import { Journal } from '../src/node/journal.ts';
import { openMeshLink } from '../src/node/mesh-link.ts';
import { NodeLife } from '../src/node/node-life.ts';
import { NO_OBSERVER } from '../src/node/observer.ts';
import type { RedisTarget } from '../src/redis/connection.ts';
import type { Runner } from '../src/runners/runner.ts';

// Many whole nodes in one process for `scale.ts`: real heartbeats, sweeps, presence and claims, each with connections of its
// own. They serve the pool `crowd`, in which there is nothing to do.
const [url = '', from = '0', count = '1'] = process.argv.slice(2);
const config = configSchema.parse({ mesh: 'bench', redis: { url }, openclaw: { mode: 'simulate' } });
const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<typeof config.redis> };
const runner: Runner = {
  mode: 'simulate',
  run: async () => ({ ok: true, result: { text: '', usage: null, model: null, runId: null, durationMs: 0 } }),
  settle: () => {},
  health: async () => ({ version: null, healthy: true, reason: null }),
  close: async () => {},
};
const journal = new Journal(mkdtempSync(join(tmpdir(), 'clawmesh-crowd-')));
for (let i = 0; i < Number(count); i++) {
  const live = new LiveConfig(config);
  const nodeId = `crowd-${Number(from) + i}`;
  await NodeLife.begin({
    nodeId,
    live,
    settings: {
      pools: { crowd: 2 },
      maxTasks: undefined,
      drainTimeout: 1_000,
      keepAwake: false,
      dashboard: false,
      labels: {},
    },
    version: '0',
    runner,
    log: createLogger({ level: 'error', format: 'json' }),
    observer: NO_OBSERVER,
    journal,
    link: await openMeshLink({ live, target, nodeId, hasProvider: false }),
  });
}
process.send?.({ type: 'ready' });
