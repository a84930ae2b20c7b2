import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, emptyFolder, runCli, writeConfig } from '../support/cli.ts';
import { isRunning } from '../support/processes.ts';
import { SpawnedRedis } from '../support/redis.ts';

describe('a mesh of node processes', () => {
  let server: SpawnedRedis;
  let config: string;
  let nodes: CliProcess[] = [];

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    config = writeMeshConfig(server.url);
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    nodes = [];
    await server.stop();
  });

  const writeMeshConfig = (url: string, more = '') =>
    writeConfig(`mesh: m\nredis: {url: "${url}"}\nopenclaw: {mode: simulate}\nnode: {drainTimeout: 20s}\n${more}`);
  const json = async (...args: string[]) => JSON.parse((await runCli(['--config', config, ...args, '--json'])).stdout);
  const startNode = async (nodeId: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: nodeId });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const enqueue = async (...args: string[]): Promise<string> =>
    (await runCli(['--config', config, 'enqueue', ...args])).stdout.trim();
  const running = (count: number) =>
    expect
      .poll(async () => (await json('status')).pools.default?.active, { timeout: 20_000, interval: 100 })
      .toBe(count);

  it('runs 300 tasks over three nodes, each once, all nodes sharing, near the ideal time', async () => {
    await Promise.all(['mac-1', 'mac-2', 'mac-3'].map(startNode));
    const input = '{"message":"sleep 200ms"}\n'.repeat(300);
    const startedAt = performance.now();
    const queued = await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
    const ids = queued.stdout.trim().split('\n');
    await expect
      .poll(async () => (await json('status')).pools.default.completed, { timeout: 60_000, interval: 50 })
      .toBe(300);
    const elapsed = performance.now() - startedAt;
    const { tasks } = (await json('task', 'list', '--limit', '300')) as { tasks: Task[] };
    expect(tasks.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const task of tasks) {
      expect(task.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'completed']);
    }
    const shares = Object.values(Object.groupBy(tasks, (task) => task.node ?? '?')).map((share) => share?.length ?? 0);
    expect(shares).toHaveLength(3);
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(60);
    console.log(
      `300 tasks of 200 ms on 3 × 2 slots: ${Math.round(elapsed)} ms with enqueue and polling, shares ${shares.join('/')}`,
    );
  });

  it('shows its nodes as the contract says', async () => {
    await startNode('mac-1');
    const { nodes: list } = (await json('node', 'list')) as { nodes: Node[] };
    expect(list).toEqual([
      expect.objectContaining({
        id: 'mac-1',
        state: 'up',
        incarnation: 1,
        host: expect.any(String),
        pid: nodes[0]?.pid,
        version: '0.1.0',
        uptimeMs: expect.any(Number),
        pools: { default: { concurrency: 2, running: 0 } },
        running: [],
        heartbeatAgeMs: expect.any(Number),
        openclaw: { mode: 'simulate', version: null, expected: null, healthy: true },
        configDigest: expect.stringMatching(/^[0-9a-f]{12}$/),
        gates: expect.arrayContaining([{ name: 'draining', open: true, reason: null, fix: null }]),
      }),
    ]);
  });

  it('prints the answer of a task that is waited for, and fails with it', async () => {
    await startNode('mac-1');
    const good = await runCli(['--config', config, 'enqueue', 'what I say', '--wait']);
    expect([good.code, good.stdout]).toEqual([0, 'what I say\n']);
    const bad = await runCli(['--config', config, 'enqueue', 'fail auth', '--wait']);
    expect([bad.code, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/failed: auth: simulated auth/);
  });

  it('enforces the deadline of a task', async () => {
    await startNode('mac-1');
    const { tasks } = await json('enqueue', 'sleep 1h', '--timeout', '1s', '--attempts', '1', '--wait');
    expect(tasks[0]).toMatchObject({ state: 'failed', error: { kind: 'timeout', message: 'no end after 1.0s' } });
  });

  it('finishes what runs on SIGTERM, takes nothing new, and exits 0', async () => {
    const node = await startNode('mac-1');
    const long = await enqueue('sleep 3s');
    await running(1);
    node.signal('SIGTERM');
    await node.waitFor(/draining/);
    const later = await enqueue('later');
    expect(await node.exited).toBe(0);
    expect(await json('task', 'show', long)).toMatchObject({ state: 'completed', handovers: 0 });
    expect(await json('task', 'show', later)).toMatchObject({ state: 'waiting' });
    expect((await json('node', 'list')).nodes[0]).toMatchObject({ state: 'stopped', heartbeatAgeMs: null });
  });

  it('hands back what does not end within drainTimeout, at the head of the queue', async () => {
    config = writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\nnode: {drainTimeout: 1s, pools: {default: 1}}\n`,
    );
    const node = await startNode('mac-1');
    const long = await enqueue('sleep 1h');
    await running(1);
    const next = await enqueue('after it');
    node.signal('SIGTERM');
    expect(await node.exited).toBe(0);
    const other = await startNode('mac-2');
    await other.waitFor(/task claimed.*/);
    const task = (await json('task', 'show', long)) as Task;
    expect(task).toMatchObject({ state: 'active', node: 'mac-2', handovers: 1, attempts: { made: 0 } });
    expect(task.history.map(({ event, reason }) => [event, reason])).toEqual([
      ['enqueued', null],
      ['claimed', null],
      ['handover', 'drain'],
      ['claimed', null],
    ]);
    expect(await json('task', 'show', next)).toMatchObject({ state: 'waiting' });
  });

  it('hands back at once on a second signal', async () => {
    const node = await startNode('mac-1');
    const long = await enqueue('sleep 1h');
    await running(1);
    node.signal('SIGINT');
    await node.waitFor(/draining/);
    const startedAt = performance.now();
    node.signal('SIGINT');
    expect(await node.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await json('task', 'show', long)).toMatchObject({ state: 'waiting', handovers: 1 });
  });

  it('refuses a second daemon with the id of one that lives', async () => {
    const first = await startNode('mac-1');
    const second = await runCli(['--config', config, 'node', 'run'], { env: { CLAWMESH_NODE_ID: 'mac-1' } });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`node mac-1 is already up as process ${first.pid}`);
  });

  it('waits for a Redis that goes away and comes back, and loses nothing', async () => {
    const node = await startNode('mac-1');
    const spanning = await enqueue('sleep 3s');
    await running(1);
    await server.down();
    await sleep(4_000); // the run ends while Redis is away: that is the case to be tested
    await server.up();
    await expect
      .poll(async () => (await json('task', 'show', spanning)).state, { timeout: 20_000, interval: 200 })
      .toBe('completed');
    expect(await json('task', 'show', spanning)).toMatchObject({ handovers: 0, attempts: { made: 1 } });
    const after = await runCli(['--config', config, 'enqueue', 'still there', '--wait']);
    expect(after.stdout).toBe('still there\n');
    expect(node.child.exitCode).toBeNull();
  });

  it('gates a node whose OpenClaw is not the pinned version', async () => {
    const folder = emptyFolder();
    const { chmodSync, writeFileSync } = await import('node:fs');
    writeFileSync(`${folder}/openclaw`, '#!/bin/sh\necho "OpenClaw 2026.1.1 (abc)"\n');
    chmodSync(`${folder}/openclaw`, 0o755);
    config = writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: exec, version: 2026.9.6, exec: {bin: ${folder}/openclaw}}\n`,
    );
    const node = await startNode('mac-1');
    await node.waitFor(/gate closed/);
    const id = await enqueue('x');
    const { nodes: list } = await json('node', 'list');
    expect(list[0]).toMatchObject({ state: 'gated', openclaw: { version: '2026.1.1', expected: '2026.9.6' } });
    expect(list[0].gates).toContainEqual({
      name: 'openclaw-version',
      open: false,
      reason: 'OpenClaw 2026.1.1 runs here, the mesh wants 2026.9.6',
      fix: expect.stringContaining('install openclaw@2026.9.6'),
    });
    expect(await json('task', 'show', id)).toMatchObject({ state: 'waiting' });
  });
});

describe('clawmesh up', () => {
  it('brings up a private Redis and nodes, restarts one that dies, and stops everything', async () => {
    const env = {
      CLAWMESH_HOME: emptyFolder(),
      HOME: emptyFolder(),
      PATH: `/usr/bin:/bin:/usr/sbin:/opt/homebrew/bin:/usr/local/bin`,
    };
    const cwd = emptyFolder();
    const cli = (...args: string[]) => runCli(args, { env, cwd });
    const up = new CliProcess(['up', '--nodes', '2'], env, cwd);
    try {
      await up.waitFor(/mesh "local" is up: 2 nodes \(simulate\)[\s\S]*nothing real runs[\s\S]*Ctrl-C/);
      expect((await cli('enqueue', 'hello', '--wait')).stdout).toBe('hello\n');
      const { nodes } = JSON.parse((await cli('node', 'list', '--json')).stdout) as { nodes: Node[] };
      expect(nodes.map(({ id, state }) => [id, state])).toEqual([
        ['node-1', 'up'],
        ['node-2', 'up'],
      ]);
      const again = await cli('up');
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('already up on this machine')]);

      process.kill(nodes[0]?.pid ?? 0, 'SIGKILL');
      await up.waitFor(/node-1 \| ended by SIGKILL, starting again[\s\S]*node-1 \| .*node is up/);
      up.signal('SIGINT');
      expect(await up.exited).toBe(0);
      expect(up.output).toContain('the mesh is down');
      expect(nodes.filter((node) => isRunning(node.pid))).toEqual([]);
      expect((await cli('status')).code).toBe(3);
    } finally {
      await up.kill();
    }
  });

  it('keeps what was queued over a stop and a start', async () => {
    const env = { CLAWMESH_HOME: emptyFolder(), HOME: emptyFolder() };
    const config = writeConfig('mesh: kept\nopenclaw: {mode: simulate}\n');
    const runUp = async (use: () => Promise<void>) => {
      const up = new CliProcess(['--config', config, 'up'], env);
      try {
        await up.waitFor(/mesh "kept" is up/);
        await use();
        up.signal('SIGTERM');
        expect(await up.exited).toBe(0);
      } finally {
        await up.kill();
      }
    };
    let id = '';
    await runUp(async () => {
      id = (await runCli(['--config', config, 'enqueue', 'later', '--delay', '1h'], { env })).stdout.trim();
    });
    await runUp(async () => {
      const { stdout } = await runCli(['--config', config, 'task', 'show', id, '--json'], { env });
      expect(JSON.parse(stdout)).toMatchObject({ id, state: 'delayed', message: 'later' });
    });
  });
});
