import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Mesh } from '../src/client/mesh.ts';
import { configSchema } from '../src/config/schema.ts';
import { systemClock } from '../src/platform/clock.ts';
import { browserPath, openBrowser } from '../test/support/browser.ts';
import { CliProcess, cleanEnv, entry, writeConfig } from '../test/support/cli.ts';
import { emptyFolder } from '../test/support/folders.ts';
import { aNodeRecord } from '../test/support/node-record.ts';
import { reservePort } from '../test/support/ports.ts';
import { SpawnedRedis } from '../test/support/redis.ts';
import { openStore } from '../test/support/store.ts';
import { sweepHow } from '../test/support/sweep-how.ts';

// How long a person waits for `status`, `node list` and the dashboard of a large mesh: registered nodes, tasks in line,
// one
// real node that works them off. What is beyond the start of a process that does nothing is ours. Build first.
const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '200' }, tasks: { type: 'string', default: '100000' } },
});
const NODES = Number(values.nodes);
const TASKS = Number(values.tasks);
const ROUNDS = 7;
const LEASE_MS = 3_600_000;
/**
 * Notes in the page itself when cards and bars were there to be drawn: the time since the browser was sent there, ms.
 */
const NOTE_READY = `new MutationObserver(() => {
  if (document.querySelector('.card') && document.querySelector('.bar'))
    requestAnimationFrame(() => (window.ready ??= performance.now()));
}).observe(document, { childList: true, subtree: true })`;

const server = await SpawnedRedis.start();
const port = await reservePort();
const config = writeConfig(
  `mesh: large\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\ndashboard: {port: ${port}}\nnode: {pools: {default: 20}}\n`,
);
const parsed = configSchema.parse({ mesh: 'large', redis: { url: server.url } });
if (!parsed.redis) throw new Error('no redis');
const mesh = await Mesh.connect(parsed, { kind: 'shared', config: parsed.redis }, { clock: systemClock });
const store = await openStore(config, cleanEnv());
const processes: CliProcess[] = [];
try {
  for (let i = 0; i < NODES; i++) await registerNode(`mac-${i}`);
  const input = `${JSON.stringify({ message: 'sleep 300ms' })}\n`.repeat(TASKS);
  execFileSync(process.execPath, [entry, '--config', config, 'enqueue', '--from', '-', '--quiet'], {
    input,
    env: cleanEnv(),
    cwd: emptyFolder(),
    stdio: ['pipe', 'ignore', 'inherit'],
    maxBuffer: 1e9,
  });
  const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: 'real' });
  const dashboard = new CliProcess(['--config', config, 'dashboard']);
  processes.push(node, dashboard);
  await Promise.all([node.waitFor(/node is up/), dashboard.waitFor(/dashboard of mesh/)]);

  const nothing = median(() => timed(['-e', '0']));
  console.log(`${NODES} nodes, ${TASKS} tasks in line; a process that does nothing: ${nothing} ms`);
  for (const args of [['status'], ['node', 'list'], ['task', 'list']]) {
    const ms = median(() => timed([entry, '--config', config, ...args]));
    console.log(`${args.join(' ').padEnd(10)} ${ms} ms, ${ms - nothing} ms beyond that`);
  }
  await dashboardPage();
  await dashboardUpdates();
} finally {
  for (const one of processes) await one.kill();
  await mesh.close();
  store.redis.disconnect();
  await server.stop();
}

async function registerNode(id: string): Promise<void> {
  const { incarnation } = await store.registry.register(id, ['default'], LEASE_MS);
  // Another pool, so that the real node has the tasks to itself.
  const pools = { other: { concurrency: 2, running: 0 } };
  const gates = [{ name: 'free-disk', open: true, reason: null, fix: null }];
  const record = aNodeRecord({ incarnation, host: id, pools, gates, leaseMs: LEASE_MS });
  await store.registry.beat({ nodeId: id, incarnation }, record, sweepHow(id, { leaseMs: LEASE_MS }));
}

function timed(args: string[]): number {
  const startedAt = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(stderr.toString());
  return performance.now() - startedAt;
}

function median(measure: () => number): number {
  const sorted = Array.from({ length: ROUNDS }, measure).sort((a, b) => a - b);
  return Math.round(sorted[ROUNDS >> 1] ?? 0);
}

async function dashboardPage(): Promise<void> {
  if (browserPath === undefined) return console.log('no browser here: the page is not measured');
  const browser = await openBrowser();
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const page = await browser.newPage();
    await page.addInitScript(NOTE_READY);
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForSelector('.bar');
    times.push(Math.round(await page.evaluate<number>('window.ready')));
    await page.close();
  }
  await browser.close();
  console.log(`dashboard  page with nodes and timeline after ${times.join(', ')} ms`);
}

/** From the answer to an enqueue to the message of the live view that has the task in it. */
async function dashboardUpdates(): Promise<void> {
  const [response] = await once(get(`http://127.0.0.1:${port}/api/v1/live`), 'response');
  const seen = new Map<string, number>();
  createInterface({ input: response }).on('line', (line) => {
    for (const [, pool] of line.matchAll(/"(fresh-\d+)"/g))
      if (pool && !seen.has(pool)) seen.set(pool, performance.now());
  });
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    const pool = `fresh-${i}`;
    await mesh.enqueue({ message: 'x', pool });
    const queuedAt = performance.now();
    while (!seen.has(pool)) await new Promise((resolve) => setTimeout(resolve, 5));
    times.push(Math.round((seen.get(pool) ?? 0) - queuedAt));
  }
  response.destroy();
  times.sort((a, b) => a - b);
  console.log(`dashboard  an event is on its way to the page after ${times[5]} ms (worst ${times.at(-1)} ms)`);
}
