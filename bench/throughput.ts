import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { TaskProducer } from '../src/queue/bullmq/task-producer.ts';
import { MeshKeys } from '../src/redis/keys.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

// A clawmesh node beside a bare BullMQ worker: same Redis, same concurrency, a task that does nothing. Rounds are
// interleaved; the figures that count are the ratios.
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '20000' },
    concurrency: { type: 'string', default: '1,10,50' },
  },
});
const rounds = Number(values.rounds);
const tasks = Number(values.tasks);
const LATENCY_SAMPLES = 300;

type Kind = 'raw' | 'clawmesh';
type Message = { type: 'ready' } | { type: 'done'; ms: number } | { type: 'started'; id: string; at: number };

const server = await SpawnedRedis.start();
const redis = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'bench' });
const queue = new Queue('default', { connection: redis as never, prefix: keys.bullPrefix });

try {
  console.log(`no-op tasks, ${tasks} per round, ${rounds} rounds each, medians\n`);
  console.log('row                       clawmesh      raw BullMQ    ratio (spread)');
  for (const concurrency of values.concurrency.split(',').map(Number)) {
    const rate: Record<Kind, number[]> = { raw: [], clawmesh: [] };
    for (let round = 0; round < rounds; round++) {
      for (const kind of order(round)) rate[kind].push(await throughput(kind, concurrency));
    }
    print(`tasks/s, concurrency ${concurrency}`, rate, 0);
  }
  const p50: Record<Kind, number[]> = { raw: [], clawmesh: [] };
  const p99: Record<Kind, number[]> = { raw: [], clawmesh: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of order(round)) {
      const latencies = await latency(kind);
      p50[kind].push(quantile(latencies, 0.5));
      p99[kind].push(quantile(latencies, 0.99));
    }
  }
  print('enqueue → start p50, ms', p50, 2);
  print('enqueue → start p99, ms', p99, 2);
} finally {
  redis.disconnect();
  await server.stop();
}

function order(round: number): Kind[] {
  return round % 2 === 0 ? ['raw', 'clawmesh'] : ['clawmesh', 'raw'];
}

async function throughput(kind: Kind, concurrency: number): Promise<number> {
  await redis.flushall();
  const data = { v: 1, message: 'x'.repeat(100), tags: {}, attempts: 3 };
  for (let done = 0; done < tasks; done += 1_000) {
    await queue.addBulk(Array.from({ length: 1_000 }, () => ({ name: 'task', data, opts: { attempts: 3 } })));
  }
  const child = startWorker(kind, concurrency, tasks);
  const done = (await message(child, 'done')) as { ms: number };
  await stop(child);
  return (tasks / done.ms) * 1_000;
}

async function latency(kind: Kind): Promise<number[]> {
  await redis.flushall();
  const child = startWorker(kind, 1, 0);
  await message(child, 'ready');
  const producer = new TaskProducer(redis, keys);
  const task = { message: 'x', pool: 'default', priority: 0, delayMs: 0, attempts: 3, tags: {} };
  const samples: number[] = [];
  for (let i = 0; i < LATENCY_SAMPLES; i++) {
    const started = message(child, 'started') as Promise<{ at: number }>;
    const at = performance.timeOrigin + performance.now();
    // Both get the same enqueue, so that only claiming differs.
    await producer.enqueue([task]);
    samples.push((await started).at - at);
  }
  await stop(child);
  return samples.slice(20);
}

function startWorker(kind: Kind, concurrency: number, total: number): ChildProcess {
  const args = ['--kind', kind, '--url', server.url, '--concurrency', String(concurrency), '--tasks', String(total)];
  return fork(new URL('./worker.ts', import.meta.url), args);
}

function message(child: ChildProcess, type: Message['type']): Promise<Message> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`worker ended with ${code}`));
    const listen = (received: Message) => {
      if (received.type !== type) return;
      child.off('message', listen);
      child.off('exit', exited);
      resolve(received);
    };
    child.on('message', listen);
    child.once('exit', exited);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit');
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited.catch(() => {});
}

function print(row: string, figures: Record<Kind, number[]>, digits: number): void {
  const ratios = figures.clawmesh.map((value, index) => value / (figures.raw[index] as number)).sort((a, b) => a - b);
  const median = (values: number[]) => quantile(values, 0.5);
  const [own, raw] = [median(figures.clawmesh), median(figures.raw)].map((value) => value.toFixed(digits).padEnd(12));
  const spread = `${ratios[0]?.toFixed(2)}–${ratios.at(-1)?.toFixed(2)}`;
  console.log(`${row.padEnd(26)}${own}  ${raw}  ${median(ratios).toFixed(2)} (${spread})`);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
}
