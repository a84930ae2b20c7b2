import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cleanEnv, entry, writeConfig } from '../test/support/cli.ts';
import { sweepHow } from '../test/support/sweep-how.ts';
import { Bed, end, message } from './bed.ts';
import { machine, quantile } from './harness.ts';
import { openBenchBackend } from './node.ts';

// How claims, sweeps, Redis, `status` and memory grow with nodes and with waiting tasks. Build first. The first two
// lines of the
// table that docs/explanation/scale.md compares are 10 nodes with 100 tasks, and 1,000 nodes with 100,000.
const { values } = parseArgs({
  options: {
    points: {
      type: 'string',
      default: '10x100,1000x100000,1x1000,10x1000,100x1000,1000x1000,10x10000,10x100000,10x1000000',
    },
    out: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
});
const PER_PROCESS = 100;
const CLAIMS = 400;
const WARM_UP = 100;
const WATCH_MS = 20_000;

interface Point {
  readonly nodes: number;
  readonly tasks: number;
  /** Claim and report of one task, one after the other, ms. */
  readonly claimP50: number;
  readonly claimP99: number;
  /** Redis' time for one look at all nodes, ms. */
  readonly sweepMs: number;
  /** Of one core, while no node has anything to do. */
  readonly redisCpuPercent: number;
  readonly redisCommandsPerSecond: number;
  readonly statusMs: number;
  readonly redisMiB: number;
}

const points: Point[] = [];
console.log('nodes    tasks    claim p50   p99 ms   sweep ms   Redis CPU %   commands/s   status ms   Redis MiB');
for (const text of values.points.split(',')) {
  const [nodes = 1, tasks = 0] = text.split('x').map(Number);
  const point = await measurePoint(nodes, tasks);
  points.push(point);
  console.log(
    `${String(nodes).padEnd(9)}${String(tasks).padEnd(9)}${point.claimP50.toFixed(3).padStart(9)}${point.claimP99.toFixed(2).padStart(9)}` +
      `${point.sweepMs.toFixed(2).padStart(11)}${point.redisCpuPercent.toFixed(2).padStart(14)}${point.redisCommandsPerSecond.toFixed(0).padStart(13)}` +
      `${point.statusMs.toFixed(0).padStart(12)}${point.redisMiB.toFixed(0).padStart(12)}`,
  );
}
mkdirSync(values.out, { recursive: true });
const about = { date: new Date().toISOString(), ...machine() };
writeFileSync(
  join(values.out, `scale-${about.date.slice(0, 19).replaceAll(':', '')}.json`),
  `${JSON.stringify({ ...about, points }, null, 2)}\n`,
);

async function measurePoint(nodes: number, tasks: number): Promise<Point> {
  const bed = await Bed.start();
  const crowd: ChildProcess[] = [];
  try {
    await bed.fill(tasks + CLAIMS + WARM_UP);
    for (let from = 0; from < nodes; from += PER_PROCESS) {
      const count = Math.min(PER_PROCESS, nodes - from);
      const child = fork(new URL('./crowd.ts', import.meta.url), [bed.server.url, `${from}`, `${count}`]);
      crowd.push(child);
      await message(child, 'ready');
    }
    await sleep(5_000); // all have been seen
    const idle = await watched(bed);
    const claims = await claimTimes(bed);
    return {
      nodes,
      tasks,
      claimP50: quantile(claims, 0.5),
      claimP99: quantile(claims, 0.99),
      sweepMs: await sweepTime(bed),
      ...idle,
      statusMs: statusTime(bed),
      redisMiB: Number(/used_memory:(\d+)/.exec(await bed.redis.info('memory'))?.[1]) / 2 ** 20,
    };
  } finally {
    await end(...crowd);
    await bed.stop();
  }
}

async function watched({ redis }: Bed): Promise<{ redisCpuPercent: number; redisCommandsPerSecond: number }> {
  const read = async () => {
    const info = await redis.info();
    const number = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
    return {
      cpu: number('used_cpu_user') + number('used_cpu_sys'),
      commands: number('total_commands_processed'),
      at: performance.now(),
    };
  };
  const before = await read();
  await sleep(WATCH_MS);
  const after = await read();
  const seconds = (after.at - before.at) / 1_000;
  return {
    redisCpuPercent: ((after.cpu - before.cpu) / seconds) * 100,
    redisCommandsPerSecond: (after.commands - before.commands) / seconds,
  };
}

/** One more node claims and reports one task after the other, as a busy one does. */
async function claimTimes(bed: Bed): Promise<number[]> {
  const { backend: link } = await openBenchBackend({ url: bed.server.url, nodeId: 'probe', hasProvider: false });
  const { incarnation } = await link.registry.register('probe', ['default'], 600_000);
  const queue = await link.openQueue('default', { nodeId: 'probe', incarnation }, () => 0);
  const offer = { free: 1, running: 0, slots: 1, pressure: 1 };
  const result = { text: '', usage: null, model: null, runId: null, durationMs: 0 };
  const times: number[] = [];
  let claim = await queue.claim(offer);
  for (let i = 0; i < CLAIMS && claim; i++) {
    const from = performance.now();
    claim = (await queue.report(claim, { ok: true, result }, offer)).next;
    times.push(performance.now() - from);
    // So that each stands for itself.
    await sleep(1);
  }
  await queue.close();
  return times.slice(WARM_UP);
}

/** The shortest of several: what the scripts take, and not what came in between. */
async function sweepTime(bed: Bed): Promise<number> {
  const { backend: link } = await openBenchBackend({ url: bed.server.url, nodeId: 'sweeper', hasProvider: false });
  const how = sweepHow('sweeper', { pools: ['crowd'] });
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const from = performance.now();
    await link.registry.sweep(how);
    times.push(performance.now() - from);
  }
  return Math.min(...times);
}

function statusTime(bed: Bed): number {
  const config = writeConfig(`mesh: bench\nredis: {url: "${bed.server.url}"}\nopenclaw: {mode: simulate}\n`);
  const times = Array.from({ length: 5 }, () => {
    const from = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [entry, '--config', config, 'status'], {
      env: cleanEnv(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (status !== 0) throw new Error(stderr.toString());
    return performance.now() - from;
  });
  return quantile(times, 0.5);
}
