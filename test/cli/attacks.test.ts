import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { SpawnedRedis } from '../support/redis.ts';

/** What the table in docs/explanation/threat-model.md says of hostile input. */
describe('somebody who wants to get out of the box', () => {
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
    ['half a character and one that turns the line around', 'a\ud800b \u202ereversed'],
  ])('a message with %s is text, from end to end', async (_, message) => {
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

  it('a message of more than 1 MiB is refused', async () => {
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
  ])('%s %j is refused', async (option, value, line) => {
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
  ])('%s %s %s finds nothing', async (...args) => {
    const refused = await cli(...args);
    expect([2, 4]).toContain(refused.code);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('a node or a mesh with a path for a name is refused', async () => {
    const named = await runCli(['--config', config, 'node', 'run'], { env: { CLAWMESH_NODE_ID: '../../x' } });
    expect(named).toMatchObject({ code: 2, stderr: expect.stringMatching(/CLAWMESH_NODE_ID/) });
    const mesh = writeConfig(`mesh: "../x}"\nredis: {url: "${server.url}"}\n`);
    expect(await runCli(['--config', mesh, 'status'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/mesh/),
    });
  });

  it('secrets that others may read are refused', async () => {
    const file = writeConfig(`redis: {url: "${server.url}", password: "\${REDIS_PASSWORD}"}\n`);
    const secrets = join(dirname(file), 'clawmesh.env');
    writeFileSync(secrets, 'REDIS_PASSWORD=not-to-be-seen\n');
    chmodSync(secrets, 0o644);
    const refused = await runCli(['--config', file, 'status']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/others may read.*chmod 600/) });
    expect(refused.stderr).not.toContain('not-to-be-seen');
  });
});
