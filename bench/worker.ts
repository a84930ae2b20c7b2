import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'bullmq';
import * as z from 'zod';
import { DISPATCH_STRATEGIES } from '../src/domain/dispatch.ts';
import { MeshKeys } from '../src/redis/keys.ts';
import { beginBenchNode } from './node.ts';
import './with-parent.ts';

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
  await beginBenchNode({
    url: values.url,
    mesh: values.mesh,
    nodeId: values.node,
    strategy: z.enum(DISPATCH_STRATEGIES).parse(values.strategy),
    hasProvider: true,
    pools: { default: concurrency },
    work: async (taskId) => {
      onStart(taskId);
      if (Number(values.ms) > 0) await sleep(Number(values.ms));
    },
  });
}
process.on('SIGINT', () => process.exit(0));
