import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckResult } from '../../../src/ops/doctor/check-result.ts';
import { parseSleep } from '../../../src/platform/sleep-settings.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { Ledger } from '../../support/ledger.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { SystemctlStandIn } from '../../support/service-managers.ts';

const WRONG_CLOCK = fileURLToPath(new URL('../../support/preload/wrong-clock.mjs', import.meta.url));
const HERE = 'CLAWMESH_NODE_ID';
/** This machine as others see it; to Redis that is a stranger. */
const ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
const seen: string[] = [];
const simulated = (redis: string) => writeConfig(`redis: {${redis}}\nopenclaw: {mode: simulate}\n`);

/** What the doctor said of this config that is not well. */
async function diagnose(config: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) {
  const { code, stdout, stderr } = await runCli(['doctor', '--json', '--config', config, ...args], {
    env: { [HERE]: 'mac-1', ...env },
  });
  const { checks } = JSON.parse(stdout) as { checks: CheckResult[] };
  return { code, stderr, wrong: checks.filter(({ state }) => state !== 'ok') };
}

function expectFound(fault: string, wrong: readonly CheckResult[], check: string, evidence: RegExp): CheckResult {
  const found = wrong.find((diagnosis) => diagnosis.check === check && evidence.test(diagnosis.evidence));
  expect(found, `${fault}: ${JSON.stringify(wrong)}`).toBeDefined();
  expect(found?.fix, fault).toMatch(/\w/);
  seen.push(`${fault.padEnd(44)} ${found?.state.padEnd(8)} ${check}: ${found?.evidence}`);
  return found as CheckResult;
}

describe('the doctor', () => {
  let server: SpawnedRedis;
  let redis: Redis;
  let meshes = 0;
  const nodes: CliProcess[] = [];

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.port, '127.0.0.1');
  });
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    redis.disconnect();
    await server.stop();
    console.log(seen.join('\n'));
  });

  /** The service of a node: its program has moved, openclaw is not on its PATH, it was stopped, it was unloaded. */
  const checkServiceFaults = async () => {
    const home = emptyFolder();
    const systemctl = new SystemctlStandIn(join(home, '.config/systemd/user'));
    const ledger = new Ledger();
    const config = configOf('', '{mode: exec}');
    const path = `${systemctl.bin}:${dirname(ledger.bin)}:${process.env.PATH}`;
    const env = { HOME: home, PATH: path };
    const unit = join(home, '.config/systemd/user/clawmesh-node.service');
    const change = (from: string | RegExp, to: string) =>
      writeFileSync(unit, readFileSync(unit, 'utf8').replace(from, to));
    const ofService = async () => (await diagnose(config, env)).wrong.filter(({ check }) => check === 'service');
    const node = (...args: string[]) =>
      runCli(['--config', config, 'node', ...args], { env: { ...env, [HERE]: 'mac-1' } });
    try {
      expect(await node('install')).toMatchObject({ code: 0 });
      expect(await ofService()).toEqual([]);
      await node('stop');
      expectFound('the service was stopped', await ofService(), 'service', /does not run/);
      change(dirname(ledger.bin), '/nowhere');
      expectFound('openclaw not on the PATH of the service', await ofService(), 'service', /not on the PATH/);
      change(/ExecStart="[^"]*"/, 'ExecStart="/opt/old/node"');
      expectFound(
        'Node.js has moved away under the service',
        await ofService(),
        'service',
        /old.node, which does not exist/,
      );
      await node('install');
      systemctl.disable();
      expectFound('the service was unloaded by hand', await ofService(), 'service', /has not loaded it/);
    } finally {
      await systemctl.close();
    }
  };

  /** A mesh of its own on the shared Redis. */
  const configOf = (more = '', openclaw = '{mode: simulate}', mesh = `doc${meshes++}`) =>
    writeConfig(`mesh: ${mesh}\nredis: {url: "${server.url}"}\nopenclaw: ${openclaw}\n${more}`);
  const start = async (id: string, config: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { [HERE]: id });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const cli = (config: string, ...args: string[]) => runCli(['--config', config, ...args]);
  /** A node that says it is up has told the others of it a moment later. */
  const allUp = (config: string, nodes: number) =>
    expect.poll(async () => JSON.parse((await cli(config, 'status', '--json')).stdout).nodes.up).toBe(nodes);

  it('finds nothing wrong in a healthy mesh', async () => {
    const config = configOf('nodes: {mac-1: {}, mac-2: {}}\n');
    for (const id of ['mac-1', 'mac-2']) await start(id, config);
    await allUp(config, 2);
    expect(await diagnose(config)).toEqual({ code: 0, stderr: '', wrong: [] });
    const { stdout } = await runCli(['doctor', '--config', config], { env: { [HERE]: 'mac-1' } });
    expect(stdout).toMatch(/✓ redis +reachable from here/);
    expect(stdout).toMatch(/\d+ ok, 0 warnings, 0 failed\n$/);

    // The same mesh as it looks from a Mac with another file, another id, or a wrong clock.
    const mesh = /mesh: (\w+)/.exec((await cli(config, 'config', 'show')).stdout)?.[1];
    const drifted = configOf('nodes: {mac-1: {}, mac-2: {}}\nqueue: {attempts: 7}\n', '{mode: simulate}', mesh);
    expectFound('another config than the nodes', (await diagnose(drifted)).wrong, 'config-drift', /mac-1, mac-2/);
    const stranger = await diagnose(config, { [HERE]: 'mac-9' });
    expectFound('a Mac that is not in the inventory', stranger.wrong, 'inventory', /mac-9.*not under nodes/);
    const late = await diagnose(config, { NODE_OPTIONS: `--import ${WRONG_CLOCK}` });
    expectFound('a wrong clock', late.wrong, 'clock', /10m/);
  });

  it.each([
    ['a typo in the config', 'mesh: m\nqueu: {}\n', 'config', /queu.*did you mean/],
    [
      'nothing at that port',
      'redis: {url: "redis://127.0.0.1:1"}\nopenclaw: {mode: simulate}\n',
      'redis',
      /connection refused/,
    ],
    [
      'a name that does not resolve',
      'redis: {url: "redis://no-such-host.invalid"}\nopenclaw: {mode: simulate}\n',
      'redis',
      /does not resolve/,
    ],
  ])('reports %s', async (fault, text, check, evidence) => {
    const { code, wrong } = await diagnose(writeConfig(text));
    expectFound(fault, wrong, check, evidence);
    expect(code).toBe(1);
  });

  it('reports a missing or refused login', async () => {
    const { wrong: id } = await diagnose(configOf(), { [HERE]: 'a b' });
    expectFound('an impossible node id', id, 'config', /a b.* is not a valid node id/);
    const open = await diagnose(configOf('dashboard: {token: a-literal-token-in-the-file}\n'));
    expectFound('a secret in a config that others may read', open.wrong, 'config-secrets', /contains secrets/);
    const tls = simulated(`url: "rediss://127.0.0.1:${server.port}"`);
    expectFound('TLS to a port without it', (await diagnose(tls)).wrong, 'redis', /TLS/);
    const locked = await SpawnedRedis.start(['--requirepass', 'secret']);
    try {
      expectFound(
        'no password',
        (await diagnose(simulated(`url: "${locked.url}"`))).wrong,
        'redis',
        /requires a password/,
      );
      const wrong = await diagnose(simulated(`url: "${locked.url}", password: no`));
      expectFound('a wrong password', wrong.wrong, 'redis', /wrong user name or password/);
    } finally {
      await locked.stop();
    }
  });

  it('reports problems of Redis itself, and fixes what it may', async () => {
    const own = await SpawnedRedis.start();
    const replica = await SpawnedRedis.start(['--replicaof', '127.0.0.1', String(own.port)]);
    const admin = new Redis(own.port, '127.0.0.1');
    const config = simulated(`url: "${own.url}"`);
    try {
      const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
      await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await admin.config('SET', 'maxmemory', Math.round(used * 1.02));
      await admin.config('SET', 'appendonly', 'no');
      const { wrong, code } = await diagnose(config);
      expectFound('a Redis that evicts', wrong, 'redis-policy', /allkeys-lru/);
      expectFound('no append-only file', wrong, 'redis-persistence', /append-only file is off/);
      expectFound('memory nearly full', wrong, 'redis-memory', /\d\d+ % of its maxmemory/);
      expect(code).toBe(1);
      expect(await diagnose(config, {}, '--fix')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
      await admin.config('SET', 'maxmemory', 0);
      expect(await diagnose(config, {}, '--fix', '--yes')).toMatchObject({ code: 0 });
      expect(await admin.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
      const atReplica = await diagnose(simulated(`url: "${replica.url}"`));
      expectFound('a replica', atReplica.wrong, 'redis-role', /read-only replica/);
      await replica.stop();
      await admin.config('SET', 'maxclients', 2);
      expectFound('hardly a connection left', (await diagnose(config)).wrong, 'redis-connections', /of 2/);
      await admin.config('SET', 'maxclients', 1);
      expectFound('no connection left', (await diagnose(config)).wrong, 'redis', /accepts no more connections/);
    } finally {
      admin.disconnect();
      await replica.stop();
      await own.stop();
    }
  });

  it.skipIf(!ADDRESS)('reports a Redis that is reachable only from its own machine', async () => {
    const guarded = await SpawnedRedis.start(['--bind', `127.0.0.1 ${ADDRESS}`]);
    try {
      const { wrong } = await diagnose(simulated(`url: "redis://${ADDRESS}:${guarded.port}"`));
      expectFound('a Redis in protected mode', wrong, 'redis', /protected mode/);
    } finally {
      await guarded.stop();
    }
  });

  it('reports problems of OpenClaw and the disk', async () => {
    const missing = await diagnose(configOf('', '{mode: exec, exec: {bin: /no/such/openclaw}}'));
    expectFound('no OpenClaw', missing.wrong, 'openclaw', /exec:/);
    const gateway = await diagnose(configOf('', '{mode: gateway, gateway: {url: "ws://127.0.0.1:1", token: t}}'));
    expectFound('no gateway', gateway.wrong, 'openclaw', /gateway:/);
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(bin, '#!/bin/sh\n[ "$1 $2 $3" = "config get agents.defaults.maxConcurrent" ] && echo 3\n', {
      mode: 0o755,
    });
    const narrow = await diagnose(
      configOf(
        'node: {pools: {default: 5}}\n',
        `{mode: gateway, gateway: {url: "ws://127.0.0.1:1", token: t}, exec: {bin: "${bin}"}}`,
      ),
    );
    expectFound(
      'OpenClaw too narrow',
      narrow.wrong,
      'openclaw-concurrency',
      /runs up to 3 agents at once, \S+ claims up to 5 tasks/,
    );
    const auto = await diagnose(configOf('', '{mode: auto, gateway: {url: "ws://127.0.0.1:1"}}'), {
      PATH: '/usr/bin:/bin',
    });
    expectFound('nothing real to run tasks with', auto.wrong, 'openclaw', /only be simulated/);
    await checkServiceFaults();
    const disk = await diagnose(configOf('gates: {minFreeDisk: 900TB}\n'));
    expectFound('too little disk', disk.wrong, 'free-disk', /900TB is required/);
  });

  it('reports problems of nodes, pools and tasks', async () => {
    const config = configOf(
      'nodes: {mac-1: {}, mac-7: {}}\nhealth: {heartbeatInterval: 500ms}\nqueue: {attempts: 1}\n',
    );
    const node = await start('mac-1', config);
    await cli(config, 'enqueue', 'fail auth', '--wait');
    await cli(config, 'enqueue', 'hello', '--pool', 'xcode');
    await cli(config, 'pool', 'pause', 'xcode');
    const { wrong } = await diagnose(config);
    expectFound('a Mac that never came', wrong, 'mesh', /mac-7 has never connected/);
    expectFound('a dead letter', wrong, 'mesh', /1 failed task in pool default/);
    expectFound('a pool that no node serves', wrong, 'mesh', /1 task waits in pool xcode, and no node/);
    expectFound('a paused pool', wrong, 'mesh', /pool xcode is paused/);
    expectFound('no node to take over', wrong, 'failover', /only mac-1 serves pool default/);

    // Killed while it runs a task, and no other node is up to requeue that.
    const id = (await cli(config, 'enqueue', 'sleep 60s')).stdout.trim();
    await expect
      .poll(async () => JSON.parse((await cli(config, 'task', 'show', id, '--json')).stdout).state)
      .toBe('active');
    await node.kill();
    await cli(config, 'node', 'evict', 'mac-1');
    const after = await diagnose(config);
    expectFound('a dead node', after.wrong, 'mesh', /node mac-1 is dead/);
  });

  it('requeues the tasks of a dead node if no node is up to do it', async () => {
    const config = configOf();
    const node = await start('mac-1', config);
    const id = (await cli(config, 'enqueue', 'sleep 60s')).stdout.trim();
    const state = async () => JSON.parse((await cli(config, 'task', 'show', id, '--json')).stdout).state;
    await expect.poll(state).toBe('active');
    await node.kill();
    // What a sweep of another node would do first; then that one is gone, too.
    const keys = `{clawmesh:doc${meshes - 1}}/`;
    await redis.hincrby(`${keys}incarnations`, 'mac-1', 1);
    await redis.zrem(`${keys}leases`, 'mac-1');
    const { wrong } = await diagnose(config);
    expectFound('a task held by a dead node', wrong, 'claims', /1 claim is orphaned: .*mac-1/);
    await diagnose(config, {}, '--fix', '--yes');
    expect(await state()).toBe('waiting');
  });

  it('reports a node that claims nothing although tasks wait', async () => {
    const config = configOf();
    const node = await start('mac-1', config);
    await allUp(config, 1);
    node.signal('SIGSTOP');
    await cli(config, 'enqueue', 'hello');
    const { wrong } = await diagnose(config);
    node.signal('SIGCONT');
    expectFound('a node that stands still', wrong, 'spread', /idle although tasks wait .*mac-1/);
  });

  it('reads the sleep settings from pmset', () => {
    expect(parseSleep(' standby              1\n sleep                10 (sleep prevented by x)\n disksleep 3\n')).toBe(
      10,
    );
    expect(parseSleep(' sleep 0\n')).toBe(0);
    expect(parseSleep('')).toBeUndefined();
  });
});
