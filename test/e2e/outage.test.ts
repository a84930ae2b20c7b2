import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, emptyFolder, runCli, writeConfig } from '../support/cli.ts';
import { MoodyProvider } from '../support/provider-client.ts';
import { SpawnedRedis } from '../support/redis.ts';

/** The times of the issue with CLAWMESH_OUTAGE=full; shorter ones otherwise. */
const full = process.env.CLAWMESH_OUTAGE === 'full';
const TASKS = full ? 500 : 60;
const RATE_LIMIT_S = full ? 30 : 4;
const DOWN_MS = full ? 60_000 : 6_000;
const NODES = ['mac-1', 'mac-2', 'mac-3'];

describe('500 tasks overnight, and a provider in trouble', () => {
  let server: SpawnedRedis;
  let provider: MoodyProvider;
  let config: string;
  const nodes: CliProcess[] = [];

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    provider = await MoodyProvider.start();
    config = writeConfig(
      `mesh: o\nredis: {url: "${server.url}"}\nopenclaw: {mode: exec, exec: {bin: "${provider.bin}"}}\n` +
        'node: {pools: {default: 1}}\nqueue: {attempts: 5, backoff: {delay: 500ms, max: 2s}}\n',
    );
    for (const id of NODES) {
      const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
      nodes.push(node);
      await node.waitFor(/node is up/);
    }
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    provider.stop();
    await server.stop();
  });

  const json = async (...args: string[]) => JSON.parse((await runCli(['--config', config, ...args, '--json'])).stdout);
  const completed = async () => (await json('status')).pools.default.completed as number;
  const callsReach = (count: number) =>
    expect.poll(() => provider.calls.length, { timeout: 60_000 }).toBeGreaterThan(count);

  it('are all completed in the end, the provider is left alone meanwhile, and work goes on soon after', async () => {
    provider.mood = { kind: 'flaky', share: 0.2 };
    const input = '{"message":"x"}\n'.repeat(TASKS);
    await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
    await callsReach(TASKS / 4);

    provider.mood = { kind: 'rate-limit', retryAfterS: RATE_LIMIT_S };
    const limitedAt = Date.now();
    await expect.poll(() => provider.callsIn('rate-limit'), { timeout: 20_000 }).toBeGreaterThan(0);
    const status = await json('status');
    expect(status.circuits).toMatchObject([{ name: 'default', kind: 'rate_limit', openedAt: expect.any(String) }]);
    expect(status.problems[0]).toMatchObject({ severity: 'error', what: expect.stringContaining('held back') });
    await sleep(Math.max(0, RATE_LIMIT_S * 1_000 - (Date.now() - limitedAt)) - 500); // the outage itself

    provider.mood = { kind: 'down' };
    await sleep(DOWN_MS); // the outage itself
    const whileDown = await completed();
    provider.mood = { kind: 'fine' };
    const healedAt = Date.now();
    await expect.poll(() => provider.callsIn('fine'), { timeout: 30_000, interval: 20 }).toBeGreaterThan(3);
    const resumedMs = Date.now() - healedAt;
    await expect.poll(completed, { timeout: 120_000, interval: 300 }).toBe(TASKS);

    const probesAtMost = Math.ceil((RATE_LIMIT_S * 1_000 + DOWN_MS) / 2_000) + 1;
    const outageCalls = provider.callsIn('rate-limit') + provider.callsIn('down');
    console.log(
      `${TASKS} tasks: ${provider.calls.length} calls, ${provider.callsIn('rate-limit')} while it was rate-limited, ` +
        `${provider.callsIn('down')} while it was down, ${whileDown} completed by then; went on ${resumedMs} ms after it healed`,
    );
    expect(outageCalls).toBeLessThanOrEqual(NODES.length + probesAtMost);
    expect(resumedMs).toBeLessThan(5_000);
    const { tasks } = (await json('task', 'list', '--limit', '1000')) as { tasks: Task[] };
    expect(tasks.map((task) => task.state)).toEqual(Array(TASKS).fill('completed'));
    expect(Math.max(...tasks.map((task) => task.attempts.made))).toBeLessThanOrEqual(5);
    const usage = await json('task', 'list', '--usage');
    expect(usage.usage).toMatchObject([
      { model: 'fake/echo', tasks: TASKS, input: 11 * TASKS, total: 16 * TASKS, cost: TASKS / 4 },
    ]);
    expect((await json('status')).circuits).toEqual([]);
    const { events } = await json('events', '--limit', '1000');
    const circuitEvents = events.filter((event: { circuit: string | null }) => event.circuit === 'default');
    expect(circuitEvents.at(-1)).toMatchObject({ event: 'circuit-closed' });
    expect(circuitEvents.some(({ event }: { event: string }) => event === 'circuit-opened')).toBe(true);
  }, 300_000);
});

/** Each Mac has its own login: whether the provider takes it stands in a file beside the Mac's openclaw. */
describe('a login that only one Mac has lost', () => {
  let server: SpawnedRedis;
  let config: string;
  const nodes: CliProcess[] = [];

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    config = writeConfig(
      `mesh: a\nredis: {url: "${server.url}"}\nopenclaw: {mode: exec, exec: {bin: "\${OPENCLAW_OF_THIS_MAC}"}}\nnode: {pools: {default: 1}}\n`,
    );
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    await server.stop();
  });

  const start = async (id: string, answer: string) => {
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(bin, `#!/bin/sh\n[ "$1" = --version ] && echo "OpenClaw 2026.9.6" || echo '${answer}'\n`);
    chmodSync(bin, 0o755);
    const node = new CliProcess(['--config', config, 'node', 'run'], {
      CLAWMESH_NODE_ID: id,
      OPENCLAW_OF_THIS_MAC: bin,
    });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const cli = (...args: string[]) =>
    runCli(['--config', config, ...args], { env: { OPENCLAW_OF_THIS_MAC: 'openclaw' } });
  const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);
  const REFUSED = '{"ok":false,"error":{"message":"authentication failed, HTTP 401"}}';

  it('closes the gate of that one, and its tasks are run by another', async () => {
    const refused = await start('mac-1', REFUSED);
    const id = (await cli('enqueue', 'hello')).stdout.trim();
    await refused.waitFor(/task failed/);
    expect(await json('task', 'show', id)).toMatchObject({ state: 'failed', error: { kind: 'auth' } });

    await start('mac-2', '{"ok":true,"final":"done"}');
    const input = '{"message":"x"}\n'.repeat(6);
    await runCli(['--config', config, 'enqueue', '--from', '-', '--wait'], {
      input,
      env: { OPENCLAW_OF_THIS_MAC: 'openclaw' },
    });
    const { tasks } = (await json('task', 'list', '--state', 'completed')) as { tasks: Task[] };
    expect(tasks.map((task) => task.node)).toEqual(Array(6).fill('mac-2'));
    expect(tasks.map((task) => task.attempts.made)).toEqual(Array(6).fill(1));
    const passedOn = tasks.filter((task) => task.history.some((entry) => entry.reason?.startsWith('auth on mac-1')));
    expect(passedOn.length).toBeLessThanOrEqual(1);
    await refused.waitFor(/"gate":"auth"/);
    const node = await json('node', 'show', 'mac-1');
    expect(node.state).toBe('gated');
    expect(node.gates.find((gate: { name: string }) => gate.name === 'auth').reason).toMatch(
      /refuses the login of this node .*log in to OpenClaw here/,
    );
  });

  it('fails a task at once that two of them are refused', async () => {
    await start('mac-1', REFUSED);
    await start('mac-2', REFUSED);
    const id = (await cli('enqueue', 'hello')).stdout.trim();
    await cli('task', 'wait', id, '--timeout', '10s');
    const task = (await json('task', 'show', id)) as Task;
    expect(task).toMatchObject({ state: 'failed', error: { kind: 'auth', retryable: false }, attempts: { made: 1 } });
    expect(new Set(task.history.flatMap((entry) => entry.node ?? []))).toEqual(new Set(['mac-1', 'mac-2']));
  });
});
