import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/domain/node.ts';
import { taskError } from '../../src/domain/task.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, newTask, openTestMesh, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('a task that waits for more than a free slot', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let config: string;
  const cli = (...args: string[]) => runCli(['--config', config, ...args]);

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'w');
    config = writeConfig(`mesh: w\nredis: {url: "${server.url}"}\n`);
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  /** A node that has told this of itself. */
  const nodeIs = async (id: string, pools: readonly string[], changed: Partial<NodeRecord> = {}) => {
    const { incarnation } = await mesh.registry.register(id, pools, 600_000);
    const served = Object.fromEntries(pools.map((pool) => [pool, { concurrency: 2, running: 0 }]));
    const record = aNodeRecord({ incarnation, pools: served, ...changed });
    await mesh.redis.hset(mesh.keys.nodes, id, JSON.stringify(record));
  };
  const stuckFor = async (...options: string[]) => {
    const { code, stdout } = await cli('enqueue', 'hello', ...options);
    expect(code).toBe(0);
    const waited = await cli('task', 'wait', stdout.trim(), '--timeout', '1s');
    expect(waited.code).toBe(5);
    return waited.stderr;
  };

  it('warns at enqueue of a misspelt pool or label, and names the existing ones', async () => {
    await nodeIs('mac-1', ['default']);
    await nodeIs('mac-2', ['default', 'xcode'], { labels: { xcode: '26', arch: 'arm64' } });
    const pool = await cli('enqueue', 'hello', '--pool', 'xcod');
    expect([pool.code, pool.stdout]).toEqual([0, expect.stringMatching(/^\S+\n$/)]);
    expect(pool.stderr).toBe(
      'expect a wait: no node serves pool xcod; pools with nodes: default, xcode (did you mean xcode?)\n',
    );
    const label = await cli('enqueue', 'hello', '--require', 'xcode=27', '--json');
    expect([label.code, JSON.parse(label.stdout).tasks]).toMatchObject([0, [{ state: 'waiting' }]]);
    expect(label.stderr).toBe(
      'expect a wait: no node has xcode=27; known labels: arch=arm64, xcode=26 (did you mean xcode=26?)\n',
    );
    const file = join(emptyFolder(), 'tasks.jsonl');
    writeFileSync(file, '{"message":"a"}\n{"message":"b","pool":"xcod"}\n{"message":"c","pool":"xcod"}\n');
    const many = await cli('enqueue', '--from', file);
    expect([many.code, many.stderr.match(/xcod;/g)]).toEqual([0, ['xcod;']]);
    const add = await cli('schedule', 'add', 'nightly', '--cron', '0 7 * * *', '--pool', 'xcod', 'hello');
    expect([add.code, add.stderr]).toEqual([0, expect.stringMatching(/no node serves pool xcod/)]);
    for (const fine of [
      ['--pool', 'xcode'],
      ['--require', 'xcode=26,arch=arm64'.split(',')[0] ?? ''],
      ['--quiet', '--pool', 'xcod'],
    ]) {
      expect((await cli('enqueue', 'hello', ...fine)).stderr).toBe('');
    }
  });

  it('warns at enqueue if no node with the label serves the pool, or may run the agent', async () => {
    await nodeIs('mac-1', ['default', 'xcode'], { allow: { agents: ['main'] } });
    await nodeIs('mac-2', ['default'], { labels: { gpu: 'yes' }, allow: { agents: ['main'] } });
    expect((await cli('enqueue', 'hello', '--pool', 'xcode', '--require', 'gpu=yes')).stderr).toMatch(
      /nodes with gpu=yes: mac-2 does not serve pool xcode/,
    );
    expect((await cli('enqueue', 'hello', '--agent', 'coder')).stderr).toMatch(/may run agent coder/);
  });

  it('says to a waiting command why its task does not start: no node, a paused pool, a gate, an open circuit', async () => {
    expect(await stuckFor()).toMatch(/^waiting: no node is up \(start one: clawmesh node run\)\n/);
    await nodeIs('mac-1', ['default'], {
      state: 'gated',
      gates: [{ name: 'auth', open: false, reason: 'not logged in', fix: 'log in' }],
    });
    expect(await stuckFor()).toMatch(/mac-1 claims no tasks: not logged in \(log in\)/);
    await nodeIs('mac-1', ['default']);
    await setPoolPaused(mesh.redis, mesh.keys, 'default', true);
    expect(await stuckFor()).toMatch(/pool default is paused at \S+ \(clawmesh pool resume default\)/);
    await setPoolPaused(mesh.redis, mesh.keys, 'default', false);

    await nodeIs('mac-3', ['xcode']);
    const node = await mesh.node('mac-3', { pool: 'xcode' });
    await mesh.producer.enqueue([newTask({ model: 'p/m', pool: 'xcode' })]);
    const claim = await claimNext(node);
    const error = { ...taskError('rate_limit', 'HTTP 429: slow down'), retryAfterMs: 3_600_000 };
    await node.report(claim, { ok: false, error });
    expect(await stuckFor('--model', 'p/m')).toMatch(
      /tasks of p\/m are held: rate_limit: HTTP 429: slow down; the next probe may run in .*\(clawmesh circuit close p\/m\)/,
    );
  });

  it('says to a command that follows the log why its task waits', async () => {
    const { stdout } = await cli('enqueue', 'hello');
    const follow = new CliProcess(['--config', config, 'task', 'logs', '-f', stdout.trim()]);
    await follow.waitFor(/^waiting: no node is up/m);
    await follow.kill();
  });

  it('refuses a misspelt filter instead of listing nothing', async () => {
    await nodeIs('mac-1', ['default', 'xcode']);
    const pool = await cli('task', 'list', '--pool', 'xcod');
    expect(pool).toEqual({ code: 4, stdout: '', stderr: 'clawmesh: no pool xcod (did you mean xcode?)\n' });
    const node = { code: 4, stdout: '', stderr: 'clawmesh: no node mac-2 (did you mean mac-1?)\n' };
    for (const command of ['task list', 'handovers', 'handovers -f', 'events', 'events -f', 'task cancel']) {
      expect(await cli(...command.split(' '), '--node', 'mac-2'), command).toEqual(node);
    }
    expect((await cli('handovers', '--task', 'nosuchtask')).code).toBe(4);
    expect((await cli('task', 'list', '--pool', 'xcode')).stderr).toBe('no tasks\n');
  });
});

describe('a new mesh', () => {
  it('suggests to start a node before any command that waits for one', async () => {
    const server = await startRedis();
    const config = writeConfig(`mesh: w\nredis: {url: "${server.url}"}\n`);
    const mesh = await openTestMesh(server.url, 'w');
    try {
      const empty = await runCli(['--config', config, 'status']);
      expect(empty.stderr).toBe(
        `\nno node is up; start one on each Mac: clawmesh node run --config ${config}\nthen, in another shell: clawmesh enqueue "hello" --wait --config ${config}\n`,
      );
      await mesh.registry.register('mac-1', ['default'], 600_000);
      await mesh.redis.hset(mesh.keys.nodes, 'mac-1', JSON.stringify(aNodeRecord()));
      const { stderr } = await runCli(['--config', config, 'status']);
      expect(stderr).toMatch(/^\nno tasks yet; try: clawmesh enqueue "hello" --wait/);
    } finally {
      await mesh.close();
      await server.stop();
    }
  });
});
