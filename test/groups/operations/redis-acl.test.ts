import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACL_ROLES, type AclRole, aclCommands } from '../../../src/redis/acl.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { Ledger } from '../../support/ledger.ts';
import { SpawnedRedis } from '../../support/redis.ts';

const PASSWORD = 'a-password-of-this-test';

/** Two to run, and more for later than are queued in one step. */
const TASKS = '{"message":"0.1"}\n'.repeat(2) + '{"message":"0.1","delay":"1h"}\n'.repeat(200);

/** Walks through what each role does, as the Redis user that `clawmesh redis acl` gives it. */
describe('Redis rights of each role', () => {
  let server: SpawnedRedis;
  let admin: Redis;
  const ledger = new Ledger();
  let waiting = '';
  const seen: Record<string, Set<string>> = { viewer: new Set(), operator: new Set(), node: new Set() };

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    admin = new Redis(server.port, '127.0.0.1');
    const config = writeConfig('mesh: acl\n');
    for (const role of ACL_ROLES) {
      const env = { PASSWORD_OF_ROLE: PASSWORD };
      const args = ['--config', config, 'redis', 'acl', role, '--password-env', 'PASSWORD_OF_ROLE'];
      const { stdout } = await runCli(args, { env });
      expect(stdout).not.toContain(PASSWORD);
      const [, name = '', ...rules] = stdout.trim().split(' ');
      await admin.acl('SETUSER', name, ...rules);
    }
    await admin.acl('SETUSER', 'default', 'on', 'nopass');
  });
  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  const configAs = (role: AclRole, mesh = 'acl') =>
    writeConfig(
      `mesh: ${mesh}
redis: {url: "redis://127.0.0.1:${server.port}/1", username: clawmesh-${role}, password: ${PASSWORD}}
openclaw: {mode: exec, exec: {bin: "${ledger.bin}"}}
queue: {backoff: {delay: 100ms}}
health: {heartbeatInterval: 500ms, missedHeartbeats: 10}
alerts: {command: "true"}
nodes: {mac-1: {labels: {a: b}}, mac-2: {}}
`,
    );
  const cliAs = (role: AclRole) => {
    const config = configAs(role);
    return async (...args: string[]) => {
      const result = await runCli(['--config', config, ...args], { input: TASKS });
      expect(result, `${role}: ${args.join(' ')}`).toMatchObject({ code: 0 });
      return result.stdout.trim();
    };
  };
  /** Does it, notes which commands Redis has counted, also inside of scripts, and that it has refused none. */
  const walk = async (role: AclRole, act: () => Promise<unknown>) => {
    await admin.config('RESETSTAT');
    await admin.acl('LOG', 'RESET');
    await act();
    const stats = await admin.info('commandstats');
    for (const [, name] of stats.matchAll(/^cmdstat_([^:]+):/gm)) seen[role]?.add(name as string);
    const refused = (await admin.acl('LOG')) as unknown[];
    // CLIENT SETINFO is newer than some servers, and nothing comes of its refusal.
    expect(refused.map(String).filter((entry) => !/setinfo/.test(entry))).toEqual([]);
  };

  it('lets an operator run every command', async () => {
    const cli = cliAs('operator');
    await walk('operator', async () => {
      const first = await cli('enqueue', '0.1');
      for (const more of [
        ['--after', first],
        ['--key', 'k'],
        ['--session', 's'],
        ['--require', 'a=b'],
        ['--node', 'mac-1', '--node-fallback'],
        ['--attempts', '2', '--priority', '3'],
      ]) {
        await cli('enqueue', '0.1', ...more);
      }
      await cli('enqueue', '6', '--priority', '1');
      await cli('enqueue', 'nonsense', '--attempts', '2');
      const gone = await cli('enqueue', '0.1', '--delay', '1h', '--key', 'gone');
      await cli('enqueue', '--from', '-');
      await cli('task', 'cancel', gone);
      await cli('task', 'retry', gone);
      await cli('task', 'cancel', gone);
      await cli('task', 'remove', gone);
      await cli('schedule', 'add', 'often', '--every', '1s', '--', '0.1');
      await cli('schedule', 'pause', 'often');
      await cli('schedule', 'resume', 'often');
      await cli('pool', 'pause', 'default');
      await cli('pool', 'resume', 'default');
    });
  });

  it('lets a node do everything that nodes do', async () => {
    const config = configAs('node');
    await walk('node', async () => {
      const start = async (id: string) => {
        const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
        await node.waitFor(/node is up/);
        return node;
      };
      const [one, two] = [await start('mac-1'), await start('mac-2')];
      await expect.poll(() => ledger.starts().length).toBeGreaterThan(4);
      one.signal('SIGKILL');
      await two.waitFor(/is dead|declared dead|put back/);
      await expect.poll(() => ledger.starts().length).toBeGreaterThan(12);
      two.signal('SIGTERM');
      await two.exited;
      expect(one.output + two.output).not.toMatch(/NOPERM/);
    });
  });

  it('lets an operator control running nodes and tasks', async () => {
    const cli = cliAs('operator');
    await walk('operator', async () => {
      await cli('task', 'ack', '--all-failed');
      for (const action of ['drain', 'resume', 'evict', 'forget']) await cli('node', action, 'mac-1');
      await cli('schedule', 'remove', 'often');
      waiting = await cli('enqueue', '0.1', '--delay', '1h');
      await cli('enqueue', '0.1'); // first in line, with no node up
    });
  });

  it('lets a viewer see everything and change nothing', async () => {
    const cli = cliAs('viewer');
    const config = configAs('viewer');
    let failed = '';
    // The locks of what runs are read, too.
    const active = '{clawmesh:acl}:default:active';
    await admin.select(1);
    await admin.lpush(active, waiting);
    await walk('viewer', async () => {
      const { tasks } = JSON.parse(await cli('task', 'list', '--state', 'failed', '--json')) as {
        tasks: { id: string }[];
      };
      failed = tasks[0]?.id ?? '';
      for (const args of [
        ['status'],
        ['node', 'list'],
        ['node', 'show', 'mac-2'],
        ['task', 'show', failed],
        ['task', 'logs', failed],
        ['task', 'list', '--usage'],
        ['task', 'list', '--state', 'completed', '--tag', 'a=b'],
        ['handovers'],
        ['events'],
        ['pool', 'list'],
        ['schedule', 'list'],
      ]) {
        await cli(...args);
      }
      await runCli(['--config', config, 'doctor']);
      const follower = new CliProcess(['--config', config, 'events', '-f']);
      await follower.waitFor(/mac-2/);
      await expect.poll(async () => /cmdstat_xrange:/.test(await admin.info('commandstats'))).toBe(true);
      await follower.kill();
    });
    await admin.del(active);
    for (const args of [
      ['enqueue', 'x'],
      ['task', 'cancel', waiting],
      ['task', 'retry', failed],
      ['task', 'remove', failed],
      ['node', 'drain', 'mac-2'],
      ['node', 'evict', 'mac-2'],
      ['node', 'forget', 'mac-2'],
      ['pool', 'pause', 'default'],
      ['schedule', 'add', 's', '--every', '1h', '--', 'x'],
    ]) {
      const refused = await runCli(['--config', config, ...args]);
      expect(refused, args.join(' ')).toMatchObject({ code: 3, stdout: '' });
      expect(refused.stderr.trim(), args.join(' ')).toMatch(/^clawmesh: Redis at \S+: this user may not .*$/);
    }
    const elsewhere = await runCli(['--config', configAs('operator', 'other'), 'enqueue', 'x']);
    expect(elsewhere).toMatchObject({ code: 3, stdout: '' });
  });

  it('gives no role an unused right', () => {
    const folder = join(import.meta.dirname, '../../../src');
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|lua)$/.test(file) && file !== 'redis/acl.ts')
      .map((file) => readFileSync(join(folder, file), 'utf8'));
    // Its job schedulers of other programs continue with their help (queue/bullmq/foreign-schedulers.ts).
    const bullmq = join(dirname(createRequire(import.meta.url).resolve('bullmq')), 'scripts');
    const bullScripts = readdirSync(bullmq).filter((file) => file.endsWith('.js'));
    const theirs = bullScripts.map((file) => readFileSync(join(bullmq, file), 'utf8'));
    const text = [...sources, ...theirs].join('\n').toLowerCase();
    const inCode = (command: string) =>
      new RegExp(`call\\(['"]${command}['"]|\\.${command.replace(/\|.*/, '')}\\(`).test(text);
    const table: string[] = [];
    for (const role of ACL_ROLES) {
      const unused = aclCommands(role).filter((command) => !seen[role]?.has(command));
      table.push(`${role}: ${aclCommands(role).length} commands, ${unused.length} of them not needed in this walk`);
      // A viewer's are all seen; the others have some for what rarely happens, which stands in the code.
      expect(unused.filter((command) => role === 'viewer' || !inCode(command))).toEqual([]);
    }
    console.log(table.join('\n'));
  });
});
