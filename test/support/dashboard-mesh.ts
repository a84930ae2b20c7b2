import { vi } from 'vitest';
import { CliProcess, HANG_MS } from './cli.ts';
import { reservePort } from './ports.ts';
import { ProcessMesh } from './process-mesh.ts';

const HANG = { timeout: HANG_MS, interval: 50 };

export const TOKEN = 'the token of this test';

/**
 * A mesh with something on every page of its dashboard: a running task, completed and failed ones, a dead node, a paused
 * pool, a schedule, an open circuit, and usage.
 */
export async function startBusyMesh(): Promise<{ mesh: ProcessMesh; server: CliProcess; url: string }> {
  const mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  const port = await reservePort();
  mesh.config = mesh.configWith(
    `node: {pools: {default: 2}}\ndashboard: {port: ${port}, token: "${TOKEN}"}\nnodes: {mac-1: {}, mac-2: {}}\n`,
  );
  const server = new CliProcess(['--config', mesh.config, 'dashboard']);
  await Promise.all([mesh.startNode('mac-2'), server.waitFor(/dashboard of mesh/)]);
  const client = await mesh.client();
  const running = await mesh.queueOne('sleep 30m', { tags: { repo: 'web' } });
  const runsOn = (node: string) =>
    vi.waitFor(async () => {
      const task = await mesh.task(running);
      if (task.state !== 'active' || task.node !== node) throw new Error(`${task.state} on ${task.node}`);
    }, HANG);
  await runsOn('mac-2');
  await mesh.startNode('mac-1');
  await mesh.kill('mac-2');
  await client.node.evict('mac-2');
  await runsOn('mac-1');
  const failing = { message: 'fail invalid', tags: { repo: 'x', team: 'blue' }, attempts: 1 };
  await client.wait(await mesh.queue(failing, failing, failing));
  await client.wait(await mesh.queueMany(3, 'Summarize the open issues'));
  await mesh.queueOne('Wait for the night', { pool: 'night' });
  await client.pool.pause('night');
  const schedules = await client.schedules();
  const task = {
    message: 'Summarize the open issues',
    pool: 'default',
    priority: 0,
    delayMs: 0,
    attempts: 3,
    tags: {},
  };
  await schedules.add('nightly', { cron: '0 7 * * 1-5', timezone: 'Europe/Berlin' }, task);
  const { redis, keys } = await mesh.store();
  const now = await client.server.time();
  const times = { openedAt: now, dueAt: now + 600_000, lastAt: now };
  const circuit = { failures: 3, kind: 'provider', message: 'HTTP 529', tasks: [], ...times };
  await redis.hset(keys.circuits, 'anthropic/claude', JSON.stringify(circuit));
  for (const ago of [0, 1, 2, 5]) {
    const sums = { 'main|anthropic/claude|tasks': 3, 'main|anthropic/claude|total': 12_000 * (ago + 1) };
    await redis.hset(keys.usage(Math.floor(now / 86_400_000) - ago), sums);
  }
  return { mesh, server, url: `http://127.0.0.1:${port}/` };
}
