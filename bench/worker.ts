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

// One worker process of a benchmark: a clawmesh node or a bare BullMQ worker whose task does nothing. It tells its parent
// when each task started (latency runs; with `--hold` it never ends, with `--ms` after that time) or when the last of
// `--tasks` ended (throughput runs).
const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'clawmesh' },
    url: { type: 'string', default: '' },
    mesh: { type: 'string', default: 'bench' },
    concurrency: { type: 'string', default: '1' },
    tasks: { type: 'string', default: '0' },
    node: { type: 'string', default: 'bench-1' },
    strategy: { type: 'string', default: 'pull' },
    ms: { type: 'string', default: '0' },
    hold: { type: 'boolean', default: false },
  },
});
const concurrency = Number(values.concurrency);
const total = Number(values.tasks);
const config = configSchema.parse({
  mesh: values.mesh,
  redis: { url: values.url },
  openclaw: { mode: 'simulate' },
  dispatch: { strategy: values.strategy },
});
const keys = new MeshKeys({ prefix: 'clawmesh', mesh: values.mesh });

let started = 0;
let ended = 0;
let firstAt = 0;
function onStart(id: string): void {
  if (started++ === 0) firstAt = performance.now();
  if (total === 0) process.send?.({ type: 'started', id, at: performance.timeOrigin + performance.now() });
}
function onEnd(): void {
  if (++ended === total) process.send?.({ type: 'done', ms: performance.now() - firstAt });
}

if (values.kind === 'raw') await startRaw();
else await startNode();
process.send?.({ type: 'ready' });

async function startRaw(): Promise<void> {
  const url = new URL(values.url);
  const worker = new Worker(
    'default',
    async (job) => {
      onStart(job.id ?? '');
      if (values.hold) await new Promise(() => {});
      return '';
    },
    { connection: { host: url.hostname, port: Number(url.port) }, prefix: keys.bullPrefix, concurrency },
  );
  worker.on('completed', onEnd);
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
      if (values.hold) await new Promise(() => {});
      if (Number(values.ms) > 0) await sleep(Number(values.ms));
      // The report follows at once; its answer is counted like BullMQ's `completed` event, one round trip later.
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
    link: {
      ...link,
      putBack: async () => [],
      openQueue: async (...opening) => {
        const consumer = await link.openQueue(...opening);
        const report = consumer.report.bind(consumer);
        consumer.report = async (...args) => {
          const settled = await report(...args);
          onEnd();
          return settled;
        };
        return consumer;
      },
    },
  });
}
process.on('SIGINT', () => process.exit(0));
