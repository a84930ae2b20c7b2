import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { cleanEnv, emptyFolder, entry, writeConfig } from '../test/support/cli.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

// `clawmesh enqueue --from` with many lines, process start and the check of every line included, against BullMQ's bare
// `addBulk(1000)` in a warm process on the same Redis. Then one that is killed midway and repeated. Build first.
const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '100000' }, rounds: { type: 'string', default: '5' } },
});
const COUNT = Number(values.tasks);
const BATCH = 1_000;

const server = await SpawnedRedis.start();
const redis = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
const config = writeConfig(`mesh: e\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\n`);
const file = join(emptyFolder(), 'tasks.jsonl');
const taskOf = (n: number) => ({ message: `task ${n}: ${'x'.repeat(150)}`, tags: { n: String(n) } });
writeFileSync(file, Array.from({ length: COUNT }, (_, n) => `${JSON.stringify(taskOf(n))}\n`).join(''));

const ratios: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const rawMs = await raw();
  await redis.flushall();
  const { ms, peakMb } = await clawmesh();
  if ((await waiting()) !== COUNT) throw new Error(`${await waiting()} tasks are queued, ${COUNT} were wanted`);
  await redis.flushall();
  ratios.push(rawMs / ms);
  console.log(`addBulk ${rawMs} ms, clawmesh ${ms} ms, ratio ${(rawMs / ms).toFixed(2)}, peak memory ${peakMb} MB`);
}
const sorted = ratios.toSorted((a, b) => a - b).map((ratio) => ratio.toFixed(2));
console.log(
  `enqueue --from, ${COUNT} lines: rate ${sorted[sorted.length >> 1]} × addBulk (${sorted[0]}–${sorted.at(-1)})`,
);
await interrupted();
redis.disconnect();
await server.stop();

async function raw(): Promise<number> {
  const queue = new Queue('raw', { connection: redis as never });
  const startedAt = performance.now();
  for (let start = 0; start < COUNT; start += BATCH) {
    const jobs = Array.from({ length: BATCH }, (_, k) => ({
      name: 'task',
      data: taskOf(start + k),
      opts: { attempts: 3 },
    }));
    await queue.addBulk(jobs);
  }
  return Math.round(performance.now() - startedAt);
}

/** Runs the built CLI; `killWhen` is asked now and then whether to kill it. */
async function clawmesh(killWhen?: () => Promise<boolean>): Promise<{ ms: number; peakMb: number }> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [entry, '--config', config, 'enqueue', '--from', file], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peakKb = 0;
  let ended = false;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve())).then(() => {
    ended = true;
  });
  while (!ended) {
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 100))]);
    if (ended) break;
    peakKb = Math.max(peakKb, Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)]).toString()) || 0);
    if (killWhen && (await killWhen())) child.kill('SIGKILL');
  }
  return { ms: Math.round(performance.now() - startedAt), peakMb: Math.round(peakKb / 1024) };
}

async function interrupted(): Promise<void> {
  let at = 0;
  await clawmesh(async () => {
    at = await waiting();
    return at > COUNT / 3;
  });
  await clawmesh();
  console.log(`killed at ${at} tasks, repeated: ${await waiting()} are queued`);
}

function waiting(): Promise<number> {
  return redis.llen('{clawmesh:e}:default:wait');
}
