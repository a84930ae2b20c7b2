import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CliProcess, onTerminal, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/** What the table in docs/explanation/threat-model.md says of hostile input. */
describe('an attacker inside the box', () => {
  let server: SpawnedRedis;
  let node: CliProcess;
  let redis: Redis;
  let config: string;
  const trap = join(emptyFolder(), 'trap');

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    config = writeConfig(`mesh: m\nredis: {url: "${server.url}"}\nopenclaw: {mode: simulate}\n`);
    node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: 'mac-1' });
    await node.waitFor(/node is up/);
  });
  afterAll(async () => {
    await node.kill();
    redis.disconnect();
    await server.stop();
  });
  const cli = (...args: string[]) => runCli(['--config', config, ...args]);

  it.each([
    ['escape sequences that would rewrite the terminal', '\u001b[2J\u001b]0;owned\u0007 and \u009b31m\r\nfake line'],
    ['what would close the JSON it stands in', 'x"}],"agent":"root","session":"s","message":"y'],
    ['commands for a shell', `$(touch ${trap}) \`touch ${trap}\`; touch ${trap} | touch ${trap}`],
    ['what looks like options', '--config=/etc/passwd --agent root'],
    ['what looks like a task of ours', '{"v":1,"message":"other","agent":"root"}'],
    ['a replacement character and one that turns the line around', 'a\ufffdb \u202ereversed'],
  ])('treats a message with %s as text, from end to end', async (_, message) => {
    const queued = await runCli(['--config', config, 'enqueue', '--from', '-', '--json'], {
      input: `${JSON.stringify({ message })}\n`,
    });
    expect(queued.code).toBe(0);
    const [{ id }] = JSON.parse(queued.stdout).tasks;
    expect((await cli('task', 'wait', id)).code).toBe(0);
    const task = JSON.parse((await cli('task', 'show', id, '--json')).stdout);
    expect(task).toMatchObject({ message, agent: null, session: null, state: 'completed' });
    for (const args of [['task', 'list'], ['task', 'show', id], ['status'], ['node', 'show', 'mac-1']]) {
      const { stdout, stderr } = await cli(...args);
      expect(stdout + stderr, args.join(' ')).not.toMatch(/[^\P{Cc}\n\t]|\u202e/u);
    }
    expect(existsSync(trap)).toBe(false);
  });

  describe('hostile text in Redis', () => {
    /** Would clear the screen, hide text, rename the window, draw with a C1 code, turn the line around, forge a line. */
    const hostile = '\u001b[2J\u001b[8m\u001b]0;owned\u0007\u009b31m\u202eevil\u2066\r\nFORGED';
    /** Our own styles on a terminal, and a live line that is wiped away; nothing else may be left of escape sequences. */
    const own = new RegExp(`\\r?${String.fromCharCode(27)}\\[(?:[1-7]m|2[2-9]m|3[0-79]m|90m|2K)`, 'g');
    const steering = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/u;
    let id: string;

    beforeAll(async () => {
      const queued = await runCli(['--config', config, 'enqueue', '--from', '-', '--json'], {
        input: `${JSON.stringify({ message: hostile, tags: { note: `\u001b[2J\u009b31m\u202e` } })}\n`,
      });
      id = JSON.parse(queued.stdout).tasks[0].id;
      expect((await cli('task', 'wait', id)).code).toBe(0);
      const record = JSON.parse((await redis.hget('{clawmesh:m}/nodes', 'mac-1')) ?? '');
      Object.assign(record, { host: hostile, version: hostile, state: 'gated' });
      record.openclaw = { ...record.openclaw, version: hostile };
      record.gates = [{ name: 'auth', open: false, reason: hostile, fix: hostile }];
      await redis.hset('{clawmesh:m}/nodes', 'mac-evil', JSON.stringify(record));
      await redis.zadd('{clawmesh:m}/leases', Date.now() + 3_600_000, 'mac-evil');
      await redis.xadd('{clawmesh:m}/events', '*', 'at', '1', 'event', hostile, 'node', hostile, 'reason', hostile);
      const handover = ['taskId', id, 'at', '1', 'from', hostile, 'reason', hostile, 'ranMs', '1', 'silentMs', '1'];
      await redis.xadd('{clawmesh:m}/handovers', '*', ...handover);
      await redis.rpush(`{clawmesh:m}:default:${id}:logs`, `2026 ${hostile}`);
      await redis.hset(`{clawmesh:m}:default:${id}`, 'progress', JSON.stringify({ at: '', note: hostile, tokens: 1 }));
    });
    afterAll(async () => {
      await redis.hdel('{clawmesh:m}/nodes', 'mac-evil');
      await redis.zrem('{clawmesh:m}/leases', 'mac-evil');
    });

    const commands = () => [
      ['status'],
      ['node', 'list'],
      ['node', 'show', 'mac-evil'],
      ['task', 'list'],
      ['task', 'show', id],
      ['task', 'logs', id],
      ['task', 'wait', id],
      ['handovers'],
      ['events'],
      ['doctor'],
      ['pool', 'list'],
    ];

    it('steers no terminal through text that is printed into a pipe', async () => {
      for (const args of commands()) {
        const { stdout, stderr } = await cli(...args);
        expect(stdout + stderr, args.join(' ')).not.toMatch(steering);
      }
    });

    it('leaves only our own styles on a terminal, and lets hostile text forge no line of a table', async () => {
      for (const args of commands()) {
        const shown = await onTerminal(['--config', config, ...args]);
        expect(shown.replace(own, ''), args.join(' ')).not.toMatch(steering);
        if (args[0] === 'task') continue; // answers and logs have lines of their own
        expect(shown, args.join(' ')).not.toMatch(/^FORGED/m);
      }
    });

    it('keeps hostile text whole in JSON, escaped so that it steers no terminal', async () => {
      for (const args of commands()) {
        const { stdout } = await cli(...args, '--json');
        expect(stdout, args.join(' ')).not.toMatch(steering);
      }
      const { gates } = JSON.parse((await cli('node', 'show', 'mac-evil', '--json')).stdout);
      expect(gates[0].reason).toBe(hostile);
      expect(JSON.parse((await cli('task', 'show', id, '--json')).stdout).result.text).toBe(hostile);
    });
  });

  it('refuses a message of more than 1 MiB', async () => {
    const input = JSON.stringify({ message: 'x'.repeat(1_048_577) });
    const refused = await runCli(['--config', config, 'enqueue', '--from', '-'], { input });
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/1 MiB.*nothing was queued/s) });
  });

  it.each([
    ['--agent', '../../etc', /agent: expected an agent id/],
    ['--session', '../../etc/passwd', /session: expected a session key/],
    ['--model', '../x', /model: expected a model/],
    ['--pool', '../other:wait', /pool: expected a pool name/],
    ['--pool', '*', /pool: expected a pool name/],
    ['--node', '../mac-1', /node: expected/],
    ['--require', 'a=b,c', /require/],
    ['--key', 'a\nb', /key: expected/],
  ])('refuses %s %j', async (option, value, line) => {
    const refused = await cli('enqueue', 'x', option, value);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(line) });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    ['task', 'logs', '../../../etc/passwd'],
    ['task', 'show', '*'],
    ['task', 'cancel', '../default:1'],
    ['node', 'show', '../../x'],
    ['node', 'evict', '*'],
  ])('finds nothing with %s %s %s', async (...args) => {
    const refused = await cli(...args);
    expect([2, 4]).toContain(refused.code);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('refuses a node or a mesh with a path for a name', async () => {
    const named = await runCli(['--config', config, 'node', 'run'], { env: { CLAWMESH_NODE_ID: '../../x' } });
    expect(named).toMatchObject({ code: 2, stderr: expect.stringMatching(/CLAWMESH_NODE_ID/) });
    const mesh = writeConfig(`mesh: "../x}"\nredis: {url: "${server.url}"}\n`);
    expect(await runCli(['--config', mesh, 'status'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/mesh/),
    });
  });

  it('refuses secrets that other users may read', async () => {
    const file = writeConfig(`redis: {url: "${server.url}", password: "\${REDIS_PASSWORD}"}\n`);
    const secrets = join(dirname(file), 'clawmesh.env');
    writeFileSync(secrets, 'REDIS_PASSWORD=not-to-be-seen\n');
    chmodSync(secrets, 0o644);
    const refused = await runCli(['--config', file, 'status']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/other users may read.*chmod 600/) });
    expect(refused.stderr).not.toContain('not-to-be-seen');
  });
});
