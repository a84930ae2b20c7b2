import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ACL_ROLES, SERVER_ROLES } from '../../../src/redis/acl.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { WatchedRedis } from '../../support/sentinels.ts';

const passwordOf = (role: string) => `the password of ${role} in this test`.replaceAll(' ', '-');

/** Redis servers and Sentinels with the users that `clawmesh redis acl` prints, and no others but an administrator. */
describe('a Redis with Sentinels, and a user for each role', () => {
  let redis: WatchedRedis;
  const nodes: CliProcess[] = [];
  /** All that a viewer, an operator or a node has in its config. */
  const clients = ACL_ROLES.map((role) => ({ username: `clawmesh-${role}`, password: passwordOf(role) }));
  const asker = { username: 'sentinel-client', password: passwordOf('sentinel-client') };

  // Runs once, yet in beforeEach: expect.poll is not allowed in beforeAll.
  beforeEach(async () => {
    if (redis) return;
    const config = writeConfig('mesh: m\n');
    const line = async (role: string) => {
      const args = ['--config', config, 'redis', 'acl', role, '--password-stdin'];
      const printed = await runCli(args, { input: `${passwordOf(role)}\n` });
      expect(printed.code, printed.stderr).toBe(0);
      expect(printed.stdout).not.toContain(passwordOf(role));
      return printed.stdout.trim();
    };
    const hash = createHash('sha256').update(passwordOf('admin')).digest('hex');
    const admin = `user admin on #${hash} ~* &* +@all`;
    const inSentinels = SERVER_ROLES.filter((role) => role.startsWith('sentinel-'));
    const inRedis = [...ACL_ROLES, ...SERVER_ROLES].filter((role) => !role.startsWith('sentinel-'));
    redis = await WatchedRedis.start({
      redisUsers: [admin, ...(await Promise.all(inRedis.map(line)))],
      sentinelUsers: [admin, ...(await Promise.all(inSentinels.map(line)))],
      passwords: {
        admin: passwordOf('admin'),
        replica: passwordOf('replica'),
        sentinel: passwordOf('sentinel'),
        'sentinel-peer': passwordOf('sentinel-peer'),
        'sentinel-client': passwordOf('sentinel-client'),
      },
    });
  });
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    await redis?.stop();
  });

  const configAs = (role: string, sentinelPassword = asker.password) =>
    writeConfig(
      `mesh: m\nredis: ${redis.settings}, username: clawmesh-${role}, password: ${passwordOf(role)}, ` +
        `sentinelUsername: ${asker.username}, sentinelPassword: ${sentinelPassword}}\nopenclaw: {mode: simulate}\n`,
    );
  /** What a server says to a command under this login. */
  const answerOf = async (port: number, login: object, command: readonly string[]): Promise<string> => {
    const client = new Redis(port, '127.0.0.1', { ...login, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    client.on('error', () => {});
    const [name = '', ...args] = command;
    const answer = await client.call(name, ...args).then(String, (error: Error) => error.message);
    client.disconnect();
    return answer;
  };

  it('lets no client make a primary a replica, nor any server do what only its administrator may', async () => {
    const primary = await redis.settled();
    for (const login of clients) {
      for (const command of [
        ['REPLICAOF', '127.0.0.1', '1'],
        ['SLAVEOF', 'NO', 'ONE'],
        ['FAILOVER'],
        ['CONFIG', 'SET', 'masterauth', 'x'],
        ['FLUSHALL'],
        ['SHUTDOWN'],
        ['ACL', 'LIST'],
        ['PUBLISH', '__sentinel__:hello', '127.0.0.1,1,x,99,mesh,127.0.0.1,1,99'],
      ]) {
        expect(await answerOf(primary.port, login, command), `${login.username}: ${command}`).toMatch(/^NOPERM/);
      }
    }
  });

  it('lets clients ask the Sentinels, and change nothing there', async () => {
    const [port = 0] = redis.sentinelPorts;
    expect(await answerOf(port, asker, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mesh'])).toMatch(/^127\.0\.0\.1,\d+$/);
    for (const command of [
      ['SENTINEL', 'SET', 'mesh', 'quorum', '1'],
      ['SENTINEL', 'REMOVE', 'mesh'],
      ['SENTINEL', 'FAILOVER', 'mesh'],
      ['SENTINEL', 'MONITOR', 'evil', '127.0.0.1', '1', '1'],
      ['SENTINEL', 'RESET', '*'],
      ['SENTINEL', 'CONFIG', 'GET', '*'],
      ['SENTINEL', 'IS-MASTER-DOWN-BY-ADDR', '127.0.0.1', '1', '1', '*'],
      ['PUBLISH', '__sentinel__:hello', '127.0.0.1,1,x,99,mesh,127.0.0.1,1,99'],
      ['SHUTDOWN'],
      ['ACL', 'LIST'],
    ]) {
      expect(await answerOf(port, asker, command), command.join(' ')).toMatch(/^NOPERM/);
      expect(await answerOf(port, {}, command), `without a login: ${command.join(' ')}`).toMatch(/^NOAUTH/);
    }
  });

  it('lets in no client as another user, in Redis or in a Sentinel, with any password that it knows', async () => {
    const primary = await redis.settled();
    const [port = 0] = redis.sentinelPorts;
    for (const { password } of [...clients, asker]) {
      for (const username of ['admin', 'replica', 'sentinel', 'default']) {
        const login = { username, password };
        expect(await answerOf(primary.port, login, ['PING']), `${username} in Redis`).not.toBe('PONG');
      }
      for (const username of ['admin', 'sentinel-peer', 'default']) {
        expect(await answerOf(port, { username, password }, ['PING']), `${username} in a Sentinel`).not.toBe('PONG');
      }
    }
  });

  it('fails over with these rights, and loses no task', async () => {
    const node = new CliProcess(['--config', configAs('node'), 'node', 'run'], { CLAWMESH_NODE_ID: 'mac-1' });
    nodes.push(node);
    await node.waitFor(/node is up/);
    const primary = await redis.settled();
    const operator = configAs('operator');
    expect(await runCli(['--config', operator, 'enqueue', 'before', '--wait'])).toMatchObject({ code: 0 });
    await primary.down('SIGKILL');
    await expect.poll(async () => (await redis.primary().catch(() => primary)) !== primary).toBe(true);
    expect(await runCli(['--config', operator, 'enqueue', 'after', '--wait'])).toMatchObject({ code: 0 });
    await primary.up();
    expect((await redis.settled()).port).not.toBe(primary.port);
    const viewer = await runCli(['--config', configAs('viewer'), 'task', 'list', '--json']);
    expect(JSON.parse(viewer.stdout).tasks).toMatchObject([{ message: 'after' }, { message: 'before' }]);
  });

  it('refuses with one line if the password at the Sentinels is wrong', async () => {
    const refused = await runCli(['--config', configAs('viewer', 'wrong-password'), 'status']);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
    expect(refused.stderr).not.toContain('wrong-password');
  });
});
