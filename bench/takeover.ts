import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Node } from '../src/domain/node.ts';
import type { Task } from '../src/domain/task.ts';
import { CliProcess, runCli, writeConfig } from '../test/support/cli.ts';
import { SpawnedRedis } from '../test/support/redis.ts';

// `kill -9` of a node with four running tasks, until each runs again elsewhere; and the same with plain BullMQ workers and
// their defaults. Build first: this runs the built CLI.
const { values } = parseArgs({
  options: { kills: { type: 'string', default: '10' }, 'raw-kills': { type: 'string', default: '2' } },
});
const SLOTS = 4;
/** BullMQ's defaults need up to 75 s; nobody waits longer than this for it, ms. */
const RAW_CAP_MS = 120_000;

const server = await SpawnedRedis.start();
try {
  print('clawmesh, defaults', await clawmeshKills(Number(values.kills)));
  print('raw BullMQ, defaults', await rawKills(Number(values['raw-kills'])));
} finally {
  await server.stop();
}

async function clawmeshKills(kills: number): Promise<number[]> {
  const config = writeConfig(
    `mesh: t\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\nnode: {pools: {default: ${SLOTS}}}\nqueue: {maxHandovers: 100}\n`,
  );
  const cli = async (...args: string[]) => JSON.parse((await runCli(['--config', config, ...args, '--json'])).stdout);
  const nodes = new Map<string, CliProcess>();
  const start = async (id: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
    nodes.set(id, node);
    await node.waitFor(/node is up/);
  };
  const ids = ['mac-1', 'mac-2', 'mac-3'];
  for (const id of ids) await start(id);
  const delays: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    // The others are drained until the victim has all four.
    const victim = ids[kill % ids.length] as string;
    const others = ids.filter((id) => id !== victim);
    for (const id of others) await cli('node', 'drain', id);
    const { tasks } = (await cli('enqueue', '--from', taskFile())) as { tasks: Task[] };
    while (((await cli('node', 'show', victim)) as Node).running.length < SLOTS) await sleep(200);
    for (const id of others) await cli('node', 'resume', id);
    await sleep(1_000); // everybody's presence has been seen
    const killedAt = Date.now();
    nodes.get(victim)?.signal('SIGKILL');
    await sleep(5_000); // the takeover itself
    for (const { id } of tasks) {
      const { startedAt, handovers } = (await cli('task', 'show', id)) as Task;
      if (handovers !== 1) throw new Error(`task ${id} has ${handovers} handovers`);
      delays.push(Date.parse(startedAt ?? '') - killedAt);
    }
    await cli('task', 'wait', ...tasks.map((task) => task.id), '--timeout', '60s');
    await start(victim);
  }
  for (const node of nodes.values()) await node.kill();
  return delays;
}

function taskFile(): string {
  return writeConfig(`${JSON.stringify({ message: 'sleep 10s' })}\n`.repeat(SLOTS));
}

async function rawKills(kills: number): Promise<number[]> {
  const delays: number[] = [];
  const url = new URL(server.url);
  const redis = new Redis(Number(url.port), url.hostname, { maxRetriesPerRequest: null });
  const queue = new Queue('default', { connection: redis as never, prefix: '{clawmesh:raw}' });
  for (let kill = 0; kill < kills; kill++) {
    await redis.flushall();
    const args = ['--kind', 'raw', '--url', server.url, '--mesh', 'raw', '--concurrency', String(SLOTS), '--hold'];
    const workers: ChildProcess[] = [fork(new URL('./worker.ts', import.meta.url), args)];
    const victim = workers[0] as ChildProcess;
    await once(victim, 'message');
    await queue.addBulk(Array.from({ length: SLOTS }, () => ({ name: 'task', data: {} })));
    await sleep(1_000); // claimed
    workers.push(fork(new URL('./worker.ts', import.meta.url), args));
    const restarted = countStarts(workers[1] as ChildProcess, SLOTS);
    await sleep(2_000); // ready
    const killedAt = Date.now();
    victim.kill('SIGKILL');
    delays.push(...(await restarted).map((at) => at - killedAt));
    for (const worker of workers) worker.kill('SIGKILL');
  }
  redis.disconnect();
  return delays;
}

function countStarts(worker: ChildProcess, count: number): Promise<number[]> {
  return new Promise((resolve) => {
    const starts: number[] = [];
    const timer = setTimeout(() => resolve(starts), RAW_CAP_MS);
    worker.on('message', (message: { type: string; at?: number }) => {
      if (message.type !== 'started') return;
      starts.push(message.at ?? 0);
      if (starts.length < count) return;
      clearTimeout(timer);
      resolve(starts);
    });
  });
}

function print(row: string, delays: readonly number[]): void {
  const sorted = delays.map(Math.round).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  console.log(
    `${row.padEnd(22)} kill -9 → restart: median ${median} ms, worst ${sorted.at(-1)} ms (${sorted.length} tasks)`,
  );
}
