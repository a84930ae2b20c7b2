import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../../src/domain/node.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

const WRONG_CLOCK = fileURLToPath(new URL('../../support/preload/wrong-clock.mjs', import.meta.url));

/** Each gate is closed by making its condition true. */
describe('a node that should not work', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  });
  afterEach(() => mesh.stop());

  const gateOf = async (id: string, gate: string) =>
    ((await mesh.json('node', 'show', id)) as Node).gates.find(({ name }) => name === gate);
  const problems = async () => ((await mesh.json('status')).problems as { what: string }[]).map(({ what }) => what);

  it('claims nothing without enough disk, says so, and works again once less is required', async () => {
    mesh.config = mesh.configWith('gates: {minFreeDisk: 900TB}\n');
    const node = await mesh.startNode('mac-1');
    await node.waitFor(/"gate":"free-disk"/);
    const id = await mesh.enqueue('hello');
    await mesh.nodeState('mac-1', 'gated');
    expect(await gateOf('mac-1', 'free-disk')).toMatchObject({
      open: false,
      reason: expect.stringMatching(/GB of disk space is free, 900TB is required/),
      fix: expect.stringContaining('gates.minFreeDisk'),
    });
    expect((await mesh.task(id)).state).toBe('waiting');
    expect((await mesh.json('events')).events).toContainEqual(
      expect.objectContaining({ event: 'gate-closed', node: 'mac-1', gate: 'free-disk' }),
    );
    expect((await problems()).join('\n')).toMatch(/mac-1 claims no tasks: .* of disk/);
    await node.kill();
    mesh.config = mesh.configWith('gates: {minFreeDisk: 1KB}\n');
    await mesh.startNode('mac-1');
    expect((await mesh.cli('task', 'wait', id)).code).toBe(0);
  });

  it('claims nothing while Redis may evict tasks, and resumes on its own', async () => {
    const node = await mesh.startNode('mac-1');
    const { redis, keys } = await mesh.store();
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    node.signal('SIGHUP'); // it would look every 10 s, too
    // The command line refuses to work with such a Redis, too, so the heartbeat itself is looked at.
    const heartbeat = async () => (await redis.hget(keys.nodes, 'mac-1')) ?? '';
    await expect.poll(heartbeat).toMatch(/"state":"gated".*maxmemory-policy is allkeys-lru/);
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    node.signal('SIGHUP');
    await mesh.nodeState('mac-1', 'up');
  });

  it('warns of a wrong clock, or claims nothing, as the config says', async () => {
    const env = { NODE_OPTIONS: `--import ${WRONG_CLOCK}` };
    await mesh.startNode('mac-1', { env });
    expect(await gateOf('mac-1', 'clock')).toMatchObject({
      open: true,
      reason: expect.stringContaining('10m fast'),
    });
    await mesh.startNode('mac-2', { env, config: mesh.configWith('gates: {clockSkew: close}\n') });
    await mesh.nodeState('mac-2', 'gated');
  });

  it('warns when its config differs from that of most nodes, and status names missing and unknown nodes', async () => {
    const nodes = 'nodes: {mac-1: {}, mac-2: {}, mac-3: {}}\n';
    mesh.config = mesh.configWith(nodes);
    await mesh.startNodes('mac-1', 'mac-2');
    await mesh.startNode('mac-9', { config: mesh.configWith(`queue: {attempts: 7}\n${nodes}`) });
    const drift = async (id: string) =>
      (await mesh.nodeRecord(id)).gates.find(({ name }) => name === 'config-drift')?.reason ?? null;
    await expect.poll(() => drift('mac-9')).toMatch(/differs from the config of most nodes/);
    expect(await drift('mac-1')).toBeNull();
    expect(await problems()).toEqual(
      expect.arrayContaining([
        'node mac-3 has never connected to this Redis',
        'node mac-9 is not in the inventory',
        expect.stringMatching(/^node mac-9: the config here differs from the config of most nodes/),
      ]),
    );
  });

  it('rests in one pool while that is paused in the whole mesh, and says who serves it', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 2, xcode: 1}}\n');
    await mesh.startNode('mac-1');
    expect((await mesh.cli('pool', 'pause', 'xcode')).stderr).toBe('pool xcode is paused; running tasks continue\n');
    const id = await mesh.enqueue('build', '--pool', 'xcode');
    const other = await mesh.enqueue('hello');
    expect((await mesh.cli('task', 'wait', other)).code).toBe(0);
    expect((await mesh.task(id)).state).toBe('waiting');
    expect((await mesh.json('pool', 'list')).pools).toMatchObject([
      { name: 'default', paused: false, nodes: ['mac-1'], concurrency: 2, completed: 1 },
      { name: 'xcode', paused: true, nodes: ['mac-1'], concurrency: 1, waiting: 1 },
    ]);
    expect((await mesh.json('status')).problems).toMatchObject([
      { what: expect.stringMatching(/^pool xcode is paused by /), fix: expect.stringContaining('pool resume xcode') },
    ]);
    await mesh.cli('pool', 'resume', 'xcode');
    expect((await mesh.cli('task', 'wait', id)).code).toBe(0);
    const unknown = await mesh.cli('pool', 'pause', 'xcodes');
    expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('did you mean xcode?') });
  });

  it('rests while all its pools are paused, and status reports only that, since the node is up', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 2}}\n');
    await mesh.startNode('mac-1');
    await mesh.cli('pool', 'pause', 'default');
    const gate = async () => (await mesh.nodeRecord('mac-1')).gates.find(({ name }) => name === 'paused')?.reason;
    await expect.poll(gate).toBe('paused: default');
    const id = await mesh.enqueue('hello');
    expect(await mesh.json('status')).toMatchObject({
      nodes: { up: 1, gated: 0 },
      problems: [{ severity: 'warning', what: expect.stringMatching(/^pool default is paused by /) }],
    });
    const { stdout } = await mesh.cli('status');
    expect(stdout).toMatch(/nodes: 1 up ·/);
    expect(stdout).not.toMatch(/gated|no node/);
    expect((await mesh.json('pool', 'list')).pools).toMatchObject([
      { name: 'default', paused: true, nodes: ['mac-1'] },
    ]);
    expect((await mesh.task(id)).state).toBe('waiting');
    await mesh.cli('pool', 'resume', 'default');
    expect((await mesh.cli('task', 'wait', id)).code).toBe(0);
  });
});

describe('a task for one node', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({
      config: 'node: {pools: {default: 1}}\nnodes: {mac-1: {}, mac-2: {labels: {xcode: 26}}, mac-3: {}}\n',
    });
  });
  afterEach(() => mesh.stop());

  const ended = async (id: string) => {
    await mesh.cli('task', 'wait', id);
    return mesh.json('task', 'show', id);
  };

  it('runs a task on its node past a long queue, and lets it wait while the node is away', async () => {
    await mesh.startNodes('mac-1', 'mac-2');
    expect(await ended(await mesh.enqueue('0', '--node', 'mac-2'))).toMatchObject({
      state: 'completed',
      node: 'mac-2',
      target: 'node:mac-2',
      handovers: 0,
    });
    const labelled = await ended(await mesh.enqueue('0', '--require', 'xcode=26'));
    expect(labelled).toMatchObject({ state: 'completed', node: 'mac-2', target: 'require:xcode=26' });

    const away = await mesh.enqueue('0', '--node', 'mac-3');
    expect((await mesh.json('task', 'show', away)).heldBy).toBe('node mac-3');
    const whats = ((await mesh.json('status')).problems as { what: string }[]).map(({ what }) => what);
    expect(whats).toContain('1 task waits for mac-3: the mesh knows no such node');
    await mesh.startNode('mac-3');
    expect(await ended(away)).toMatchObject({ state: 'completed', node: 'mac-3' });

    // All three nodes are busy, and a long queue stands before it.
    const others = await mesh.queueMany(45, '0.1');
    const own = await mesh.queueOne('0', { node: 'mac-1' });
    await mesh.allEnded();
    const order = mesh.ledger.starts().map((line) => line.taskId);
    const lastOfOthers = Math.max(...others.map((id) => order.indexOf(id)));
    expect(order.indexOf(own)).toBeLessThan(lastOfOthers);
    expect((await mesh.task(own)).node).toBe('mac-1');
    const unknown = await mesh.cli('enqueue', '0', '--node', 'mac-33');
    expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('no node mac-33') });
  });
});
