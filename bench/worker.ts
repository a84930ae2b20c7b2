import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'bullmq';
import { LiveConfig } from '../src/config/live.ts';
import { configSchema } from '../src/config/schema.ts';
import { createLogger } from '../src/log/logger.ts';
import { Journal } from '../src/node/journal.ts';
import { openMeshLink } from '../src/node/mesh-link.ts';
import { NodeLife } from '../src/node/node-life.ts';
import { NO_OBSERVER } from '../src/node/observer.ts';
import type { RedisTarget } from '../src/redis/connection.ts';
import { MeshKeys } from '../src/redis/keys.ts';
import type { Runner } from '../src/runners/runner.ts';

// One worker process of a benchmark: a clawmesh node or a bare BullMQ worker whose task does nothing (with `--ms` for that
// time). With `--tell` it tells its parent when each task started.
const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'clawmesh' },
    url: { type: 'string', default: '' },
    mesh: { type: 'string', default: 'bench' },
    concurrency: { type: 'string', default: '1' },
    node: { type: 'string', default: 'bench-1' },
    strategy: { type: 'string', default: 'pull' },
    ms: { type: 'string', default: '0' },
    tell: { type: 'boolean', default: false },
  },
});
const concurrency = Number(values.concurrency);
const config = configSchema.parse({
  mesh: values.mesh,
  redis: { url: values.url },
  openclaw: { mode: 'simulate' },
  dispatch: { strategy: values.strategy },
});
const keys = new MeshKeys({ prefix: 'clawmesh', mesh: values.mesh });

function onStart(id: string): void {
  if (values.tell) process.send?.({ type: 'started', id, at: performance.timeOrigin + performance.now() });
}
process.on('message', () => process.send?.({ type: 'rss', bytes: process.memoryUsage.rss() }));

if (values.kind === 'raw') await startRaw();
else await startNode();
process.send?.({ type: 'ready' });

async function startRaw(): Promise<void> {
  const url = new URL(values.url);
  const worker = new Worker(
    'default',
    async (job) => {
      onStart(job.id ?? '');
      return '';
    },
    { connection: { host: url.hostname, port: Number(url.port) }, prefix: keys.bullPrefix, concurrency },
  );
  await worker.waitUntilReady();
}

async function startNode(): Promise<void> {
  const live = new LiveConfig(config);
  const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<typeof config.redis> };
  const link = await openMeshLink({ live, target, nodeId: values.node, hasProvider: true });
  const runner: Runner = {
    mode: 'simulate',
    run: async (request) => {
      onStart(request.taskId);
      if (Number(values.ms) > 0) await sleep(Number(values.ms));
      return { ok: true, result: { text: '', usage: null, model: null, runId: null, durationMs: 0 } };
    },
    settle: () => {},
    health: async () => ({ version: null, healthy: true, reason: null }),
    close: async () => {},
  };
  await NodeLife.begin({
    nodeId: values.node,
    live,
    settings: {
      pools: { default: concurrency },
      maxTasks: undefined,
      drainTimeout: 1_000,
      keepAwake: false,
      dashboard: false,
      labels: {},
    },
    version: '0',
    runner,
    log: createLogger({ level: 'warn', format: 'json' }),
    observer: NO_OBSERVER,
    journal: new Journal(mkdtempSync(join(tmpdir(), 'clawmesh-bench-'))),
    link,
  });
}
process.on('SIGINT', () => process.exit(0));
