import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh } from '../support/process-mesh.ts';
import { isRunning } from '../support/processes.ts';

describe('a mesh of node processes', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate', config: 'node: {drainTimeout: 1h}\n' });
  });
  afterEach(() => mesh.stop());

  const running = (count: number) => expect.poll(async () => (await mesh.snapshot()).pools.default?.active).toBe(count);

  it('runs 300 tasks on three nodes, each once, with work for every node', async () => {
    await mesh.startNodes('mac-1', 'mac-2', 'mac-3');
    const ids = await mesh.enqueueLines(Array.from({ length: 300 }, () => ({ message: 'sleep 200ms' })));
    await expect.poll(async () => (await mesh.json('status')).pools.default.completed, { interval: 500 }).toBe(300);
    const { tasks } = (await mesh.json('task', 'list', '--limit', '300')) as { tasks: Task[] };
    expect(tasks.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const task of tasks) {
      expect(task.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'completed']);
    }
    // Each has two slots and takes what it has a slot for; a node without a share would have been idle for 10 s.
    expect(new Set(tasks.map((task) => task.node))).toEqual(new Set(['mac-1', 'mac-2', 'mac-3']));
  });

  it('shows its nodes as the contract says', async () => {
    await mesh.startNode('mac-1');
    const { nodes: list } = (await mesh.json('node', 'list')) as { nodes: Node[] };
    expect(list).toEqual([
      expect.objectContaining({
        id: 'mac-1',
        state: 'up',
        incarnation: 1,
        host: expect.any(String),
        pid: mesh.node('mac-1').pid,
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

  it('prints the answer of a task that it waits for, and fails if the task fails', async () => {
    await mesh.startNode('mac-1');
    const good = await mesh.cli('enqueue', 'what I say', '--wait');
    expect([good.code, good.stdout]).toEqual([0, 'what I say\n']);
    const bad = await mesh.cli('enqueue', 'fail auth', '--wait');
    expect([bad.code, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/failed: auth: simulated auth/);
  });

  it('enforces the deadline of a task', async () => {
    await mesh.startNode('mac-1');
    const { tasks } = await mesh.json('enqueue', 'sleep 1h', '--timeout', '1s', '--attempts', '1', '--wait');
    expect(tasks[0]).toMatchObject({ state: 'failed', error: { kind: 'timeout', message: 'not finished after 1.0s' } });
  });

  it('finishes its runs on SIGTERM, claims nothing new, and exits with 0', async () => {
    mesh.config = mesh.configWith('node: {drainTimeout: 1h}\n', { openclaw: mesh.ledger.asOpenclaw });
    const node = await mesh.startNode('mac-1');
    const long = await mesh.enqueue('hold');
    await mesh.starts(1);
    node.signal('SIGTERM');
    await node.waitFor(/draining/);
    const later = await mesh.enqueue('0');
    mesh.ledger.release();
    expect(await node.exited).toBe(0);
    expect(await mesh.json('task', 'show', long)).toMatchObject({ state: 'completed', handovers: 0 });
    expect(await mesh.json('task', 'show', later)).toMatchObject({ state: 'waiting' });
    expect((await mesh.json('node', 'list')).nodes[0]).toMatchObject({ state: 'stopped', heartbeatAgeMs: null });
  });

  it('releases runs that exceed drainTimeout, at the head of the queue', async () => {
    mesh.config = mesh.configWith('node: {drainTimeout: 1s, pools: {default: 1}}\n');
    const node = await mesh.startNode('mac-1');
    const long = await mesh.enqueue('sleep 1h');
    await running(1);
    const next = await mesh.enqueue('after it');
    node.signal('SIGTERM');
    expect(await node.exited).toBe(0);
    await mesh.startNode('mac-2');
    await running(1);
    const task = (await mesh.json('task', 'show', long)) as Task;
    expect(task).toMatchObject({ state: 'active', node: 'mac-2', handovers: 1, attempts: { made: 0 } });
    expect(task.history.map(({ event, reason }) => [event, reason])).toEqual([
      ['enqueued', null],
      ['claimed', null],
      ['handover', 'drain'],
      ['claimed', null],
    ]);
    expect(await mesh.json('task', 'show', next)).toMatchObject({ state: 'waiting' });
  });

  it('releases its runs at once on a second signal', async () => {
    const node = await mesh.startNode('mac-1');
    const long = await mesh.enqueue('sleep 1h');
    await running(1);
    node.signal('SIGINT');
    await node.waitFor(/draining/);
    node.signal('SIGINT');
    expect(await node.exited).toBe(0); // it would else wait for an hour
    expect(await mesh.json('task', 'show', long)).toMatchObject({ state: 'waiting', handovers: 1 });
  });

  it('refuses a second daemon with the id of a node that is up', async () => {
    const first = await mesh.startNode('mac-1');
    const second = mesh.launchNode('mac-1');
    expect(await second.exited).toBe(1);
    expect(second.output).toContain(`node mac-1 is already up as process ${first.pid}`);
    await first.kill();
  });

  it('waits for a Redis that goes away and comes back, and loses nothing', async () => {
    mesh.config = mesh.configWith('', { openclaw: mesh.ledger.asOpenclaw });
    const node = await mesh.startNode('mac-1');
    const spanning = await mesh.enqueue('hold');
    await mesh.starts(1);
    await mesh.server.down();
    mesh.ledger.release();
    // The run has ended, and the node could not report it.
    await node.waitFor(/kept on disk/);
    await mesh.server.up();
    await mesh.taskState(spanning, 'completed');
    expect(await mesh.task(spanning)).toMatchObject({ handovers: 0, attempts: { made: 1 } });
    const after = await mesh.cli('enqueue', '0', '--wait');
    expect(after.stdout).toBe('done\n');
    expect(node.child.exitCode).toBeNull();
  });

  it('gates a node whose OpenClaw is not the pinned version', async () => {
    const folder = emptyFolder();
    const bin = join(folder, 'openclaw');
    writeFileSync(bin, '#!/bin/sh\necho "OpenClaw 2026.1.1 (abc)"\n');
    chmodSync(bin, 0o755);
    mesh.config = mesh.configWith('', { openclaw: `mode: exec, version: 2026.9.6, exec: {bin: ${bin}}` });
    const node = await mesh.startNode('mac-1');
    await node.waitFor(/gate closed/);
    const id = await mesh.enqueue('x');
    const { nodes: list } = await mesh.json('node', 'list');
    expect(list[0]).toMatchObject({ state: 'gated', openclaw: { version: '2026.1.1', expected: '2026.9.6' } });
    expect(list[0].gates).toContainEqual({
      name: 'openclaw-version',
      open: false,
      reason: 'OpenClaw 2026.1.1 runs here, but the mesh requires 2026.9.6',
      fix: expect.stringContaining('install openclaw@2026.9.6'),
    });
    expect(await mesh.json('task', 'show', id)).toMatchObject({ state: 'waiting' });
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
      await up.waitFor(/mesh "local" is up: 2 nodes \(simulate\)[\s\S]*no agent runs[\s\S]*Ctrl-C/);
      expect((await cli('enqueue', 'hello', '--wait')).stdout).toBe('hello\n');
      const { nodes } = JSON.parse((await cli('node', 'list', '--json')).stdout) as { nodes: Node[] };
      expect(nodes.map(({ id, state }) => [id, state])).toEqual([
        ['node-1', 'up'],
        ['node-2', 'up'],
      ]);
      const again = await cli('up');
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('already up on this machine')]);

      process.kill(nodes[0]?.pid ?? 0, 'SIGKILL');
      await up.waitFor(/node-1 \| killed by SIGKILL; restarting in[\s\S]*node-1 \| .*node is up/);
      up.signal('SIGINT');
      expect(await up.exited).toBe(0);
      expect(up.output).toContain('the mesh has stopped');
      expect(nodes.filter((node) => isRunning(node.pid))).toEqual([]);
      expect((await cli('status')).code).toBe(3);
    } finally {
      await up.kill();
    }
  });

  it('keeps queued tasks across a stop and a start', async () => {
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
