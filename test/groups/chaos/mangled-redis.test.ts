import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { seeded } from '../../support/seeded.ts';

const full = process.env.CLAWMESH_MANGLE === 'full';
const CHANGES = full ? 2_000 : 200;
const SEED = Number(process.env.CLAWMESH_SEED ?? 8);
const GARBAGE = [
  '',
  ' ',
  '{}',
  '[',
  'null',
  '-1',
  '1e400',
  '9007199254740993',
  '{"v":1}',
  '{"v":"x","message":7}',
  '\u0000\uffff',
  'x'.repeat(5_000),
];

/** An operator edits the keys of a running mesh by hand, or another program uses the same ones. */
describe('a Redis with mangled contents', () => {
  let server: SpawnedRedis;
  let redis: Redis;
  let config: string;
  let nodes: CliProcess[];

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    config = writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\nhealth: {heartbeatInterval: 500ms, missedHeartbeats: 20}\nqueue: {circuit: {failures: 3}}\n`,
    );
    nodes = [];
    for (const id of ['mac-1', 'mac-2']) {
      const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
      nodes.push(node);
      await node.waitFor(/node is up/);
    }
  });
  afterEach(async () => {
    for (const node of nodes) await node.kill();
    redis.disconnect();
    await server.stop();
  });

  const cli = (...args: string[]) => runCli(['--config', config, ...args]);
  const enqueue = (count: number) => {
    const kinds = [
      {},
      { session: 's' },
      { node: 'mac-1' },
      { require: { a: 'b' } },
      { delay: '1s' },
      { priority: 1 },
      { key: `k${Math.random()}` },
    ];
    const lines = Array.from({ length: count }, (_, i) =>
      JSON.stringify({ message: i % 5 === 0 ? 'fail provider' : 'sleep 20ms', ...kinds[i % kinds.length] }),
    );
    return runCli(['--config', config, 'enqueue', '--from', '-'], { input: lines.join('\n') });
  };
  const cpuMs = (pid: number) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };

  it('neither ends a node nor makes it work or write without pause, and everything runs again after the repair', async () => {
    const random = seeded(SEED);
    const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
    const pids = nodes.map(({ child }) => child.pid as number);
    for (let done = 0; done < CHANGES; done++) {
      if (done % 40 === 0) await enqueue(21);
      await mangle(pick(await redis.keys('*')), pick, random);
      await sleep(10);
    }
    for (const node of nodes) expect(node.child.exitCode, node.output.slice(-2_000)).toBeNull();

    // What is wrong stays wrong: that is no reason to be busy.
    await sleep(3_000);
    const before = nodes.map((node, i) => ({ cpu: cpuMs(pids[i] as number), lines: node.output.split('\n').length }));
    await sleep(5_000);
    for (const [i, node] of nodes.entries()) {
      const lines = node.output.split('\n').length - (before[i]?.lines ?? 0);
      expect(lines, node.output.slice(-3_000)).toBeLessThan(200);
      expect(cpuMs(pids[i] as number) - (before[i]?.cpu ?? 0)).toBeLessThan(2_500);
    }

    // Commands say what they can, and end.
    for (const args of [
      ['status'],
      ['task', 'list'],
      ['node', 'list'],
      ['handovers'],
      ['events'],
      ['doctor'],
      ['pool', 'list'],
      ['schedule', 'list'],
    ]) {
      const result = await cli(...args);
      expect(result.stderr, args.join(' ')).not.toMatch(/\n {4}at /);
      expect([0, 1, 3]).toContain(result.code);
    }

    await redis.flushall();
    await expect
      .poll(
        async () => {
          const { nodes: list = [] } = JSON.parse((await cli('node', 'list', '--json')).stdout || '{}');
          return (list as { state: string }[]).map(({ state }) => state);
        },
        { interval: 500 },
      )
      .toEqual(['up', 'up']);
    const queued = await runCli(['--config', config, 'enqueue', '--from', '-', '--json'], {
      input: '{"message":"hello"}\n'.repeat(10),
    });
    const ids = (JSON.parse(queued.stdout).tasks as { id: string }[]).map(({ id }) => id);
    expect((await cli('task', 'wait', ...ids)).code).toBe(0);
    expect(nodes.map(({ child }) => child.pid)).toEqual(pids);
  });

  /** Takes something away, puts something there that does not belong there, or makes it another kind of thing. */
  async function mangle(
    key: string | undefined,
    pick: <T>(values: readonly T[]) => T,
    random: () => number,
  ): Promise<void> {
    if (key === undefined) return;
    const type = await redis.type(key);
    const what = random();
    if (what < 0.15) await redis.del(key);
    else if (what < 0.3) await redis.multi().del(key).set(key, pick(GARBAGE)).exec();
    else if (what < 0.4) await redis.multi().del(key).hset(key, 'x', pick(GARBAGE)).exec();
    else if (type === 'string') await redis.set(key, pick(GARBAGE));
    else if (type === 'list') await (random() < 0.5 ? redis.lpush(key, pick(GARBAGE)) : redis.ltrim(key, 1, -1));
    else if (type === 'set') await redis.sadd(key, pick(GARBAGE));
    else if (type === 'zset') await redis.zadd(key, pick([-1, 0, 1, 2 ** 53, 1e300]), pick(GARBAGE));
    else if (type === 'stream') await redis.xadd(key, '*', pick(['event', 'jobId', 'x']), pick(GARBAGE));
    else if (type === 'hash') {
      const field = pick(await redis.hkeys(key)) ?? 'x';
      await (random() < 0.3 ? redis.hdel(key, field) : redis.hset(key, field, pick(GARBAGE)));
    }
  }
});
