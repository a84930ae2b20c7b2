import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import { CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { SpawnedRedis } from '../support/redis.ts';

const WRONG_CLOCK = fileURLToPath(new URL('../support/preload/wrong-clock.mjs', import.meta.url));

/** Each gate is closed by making its condition true. */
describe('a node that should not work', () => {
  let server: SpawnedRedis;
  const nodes: CliProcess[] = [];

  beforeEach(async () => {
    server = await SpawnedRedis.start();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    await server.stop();
  });

  const configWith = (more: string) =>
    writeConfig(`mesh: g\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\n${more}`);
  const start = async (id: string, config: string, env: NodeJS.ProcessEnv = {}) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id, ...env });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const json = async (config: string, ...args: string[]) =>
    JSON.parse((await runCli(['--config', config, ...args, '--json'])).stdout);
  const gateOf = async (config: string, id: string, gate: string) =>
    ((await json(config, 'node', 'show', id)) as Node).gates.find(({ name }) => name === gate);
  const stateIs = (config: string, id: string, state: string) =>
    expect.poll(async () => (await json(config, 'node', 'show', id)).state, { timeout: 25_000 }).toBe(state);

  it('takes nothing without enough disk, says so, and works again with less wanted', async () => {
    const config = configWith('gates: {minFreeDisk: 900TB}\n');
    const node = await start('mac-1', config);
    await node.waitFor(/"gate":"free-disk"/);
    const id = (await runCli(['--config', config, 'enqueue', 'hello'])).stdout.trim();
    await stateIs(config, 'mac-1', 'gated');
    expect(await gateOf(config, 'mac-1', 'free-disk')).toMatchObject({
      open: false,
      reason: expect.stringMatching(/GB of disk are free, 900TB are wanted/),
      fix: expect.stringContaining('gates.minFreeDisk'),
    });
    expect((await json(config, 'task', 'show', id)).state).toBe('waiting');
    expect((await json(config, 'events')).events).toContainEqual(
      expect.objectContaining({ event: 'gate-closed', node: 'mac-1', gate: 'free-disk' }),
    );
    const { problems } = await json(config, 'status');
    expect(problems.map(({ what }: { what: string }) => what).join('\n')).toMatch(/mac-1 takes no tasks: .* of disk/);
    await node.kill();
    const enough = configWith('gates: {minFreeDisk: 1KB}\n');
    await start('mac-1', enough);
    await runCli(['--config', enough, 'task', 'wait', id, '--timeout', '10s']);
    expect((await json(enough, 'task', 'show', id)).state).toBe('completed');
  });

  it('takes nothing while Redis may throw tasks away, and goes on by itself', async () => {
    const config = configWith('');
    const node = await start('mac-1', config);
    const redis = new Redis(server.port, '127.0.0.1');
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    node.signal('SIGHUP'); // it would look every 10 s, too
    // The command line refuses to work with such a Redis, too, so the heartbeat itself is looked at.
    const heartbeat = async () => (await redis.hget('{clawmesh:g}/nodes', 'mac-1')) ?? '';
    await expect.poll(heartbeat, { timeout: 25_000 }).toMatch(/"state":"gated".*maxmemory-policy is allkeys-lru/);
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    node.signal('SIGHUP');
    await stateIs(config, 'mac-1', 'up');
    redis.disconnect();
  });

  it('warns of a wrong clock, or takes nothing, as the config says', async () => {
    const env = { NODE_OPTIONS: `--import ${WRONG_CLOCK}` };
    const warns = configWith('');
    await start('mac-1', warns, env);
    expect(await gateOf(warns, 'mac-1', 'clock')).toMatchObject({
      open: true,
      reason: expect.stringContaining('10m fast'),
    });
    const closes = configWith('gates: {clockSkew: close}\n');
    await start('mac-2', closes, env);
    await stateIs(closes, 'mac-2', 'gated');
  });

  it('warns where its config is not that of the others, and status names who is missing or a stranger', async () => {
    const config = configWith('nodes: {mac-1: {}, mac-2: {}, mac-3: {}}\n');
    await start('mac-1', config);
    await start('mac-2', config);
    const other = configWith('queue: {attempts: 7}\nnodes: {mac-1: {}, mac-2: {}, mac-3: {}}\n');
    await start('mac-9', other);
    await expect
      .poll(async () => (await gateOf(config, 'mac-9', 'config-drift'))?.reason, { timeout: 25_000 })
      .toMatch(/is not that of most nodes/);
    expect(await gateOf(config, 'mac-1', 'config-drift')).toMatchObject({ open: true, reason: null });
    const whats = ((await json(config, 'status')).problems as { what: string }[]).map(({ what }) => what);
    expect(whats).toEqual(
      expect.arrayContaining([
        'mac-3 was never seen on this Redis',
        'mac-9 is not in the inventory',
        expect.stringMatching(/^node mac-9: the config here is not that of most nodes/),
      ]),
    );
  });
});

describe('a pool', () => {
  it('rests and goes on in the whole mesh, and says who serves it', async () => {
    const server = await SpawnedRedis.start();
    const config = writeConfig(
      `mesh: p\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\nnode: {pools: {default: 2, xcode: 1}}\n`,
    );
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: 'mac-1' });
    const cli = (...args: string[]) => runCli(['--config', config, ...args]);
    const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);
    try {
      await node.waitFor(/node is up/);
      expect((await cli('pool', 'pause', 'xcode')).stderr).toBe('xcode starts no more tasks\n');
      const id = (await cli('enqueue', 'build', '--pool', 'xcode')).stdout.trim();
      const other = (await cli('enqueue', 'hello')).stdout.trim();
      expect((await cli('task', 'wait', other, '--timeout', '10s')).code).toBe(0);
      expect((await json('task', 'show', id)).state).toBe('waiting');
      expect((await json('pool', 'list')).pools).toMatchObject([
        { name: 'default', paused: false, nodes: ['mac-1'], concurrency: 2, completed: 1 },
        { name: 'xcode', paused: true, nodes: ['mac-1'], concurrency: 1, waiting: 1 },
      ]);
      const { problems } = await json('status');
      expect(problems).toMatchObject([
        { what: 'pool xcode is paused', fix: expect.stringContaining('pool resume xcode') },
      ]);
      await cli('pool', 'resume', 'xcode');
      expect((await cli('task', 'wait', id, '--timeout', '10s')).code).toBe(0);
      const unknown = await cli('pool', 'pause', 'xcodes');
      expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('did you mean xcode?') });
    } finally {
      await node.kill();
      await server.stop();
    }
  });
});

describe('a task for one node', () => {
  it('runs there, also on a busy node, waits while that is away, and status says so', async () => {
    const server = await SpawnedRedis.start();
    const config = writeConfig(
      `mesh: t\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\nnode: {pools: {default: 1}}\nnodes: {mac-1: {}, mac-2: {labels: {xcode: 26}}, mac-3: {}}\n`,
    );
    const cli = (...args: string[]) => runCli(['--config', config, ...args]);
    const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);
    const nodes: CliProcess[] = [];
    const start = async (id: string) => {
      const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
      nodes.push(node);
      await node.waitFor(/node is up/);
    };
    const ended = async (id: string) => {
      await cli('task', 'wait', id, '--timeout', '20s');
      return json('task', 'show', id);
    };
    try {
      await start('mac-1');
      await start('mac-2');
      const own = (await cli('enqueue', 'hello', '--node', 'mac-2')).stdout.trim();
      const done = await ended(own);
      expect(done).toMatchObject({ state: 'completed', node: 'mac-2', target: 'node:mac-2', handovers: 0 });
      console.log(`idle node → its own task claimed: ${Date.parse(done.startedAt) - Date.parse(done.enqueuedAt)} ms`);

      // Both nodes are kept busy; the one's own task gets the next free slot there.
      const input = '{"message":"sleep 500ms"}\n'.repeat(30);
      await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
      const busy = await ended((await cli('enqueue', 'hello', '--node', 'mac-1')).stdout.trim());
      expect(busy).toMatchObject({ state: 'completed', node: 'mac-1' });
      expect(Date.parse(busy.startedAt) - Date.parse(busy.enqueuedAt)).toBeLessThan(3_000);

      const away = (await cli('enqueue', 'hello', '--node', 'mac-3')).stdout.trim();
      expect((await json('task', 'show', away)).heldBy).toBe('node mac-3');
      const whats = ((await json('status')).problems as { what: string }[]).map(({ what }) => what);
      expect(whats).toContain('1 tasks wait for mac-3: there was never one');
      await start('mac-3');
      expect(await ended(away)).toMatchObject({ state: 'completed', node: 'mac-3' });
      const labelled = await ended((await cli('enqueue', 'hello', '--require', 'xcode=26')).stdout.trim());
      expect(labelled).toMatchObject({ state: 'completed', node: 'mac-2', target: 'require:xcode=26' });
      const unknown = await cli('enqueue', 'hello', '--node', 'mac-33');
      expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('no node mac-33') });
    } finally {
      for (const node of nodes) await node.kill();
      await server.stop();
    }
  });
});
