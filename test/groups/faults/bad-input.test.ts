import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnv, entry, refusalOf, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/** One line of what is wrong and what to do, the right exit code, nothing on stdout, nothing queued. */
describe('bad input', () => {
  let server: SpawnedRedis;
  let config: string;
  let redis: Redis;

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    config = writeConfig(`mesh: m\nredis: {url: "${server.url}"}\n`);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  const expectRefusal = async (
    args: string[],
    code: number,
    pattern: RegExp,
    options: { env?: NodeJS.ProcessEnv; input?: string; lines?: number } = {},
  ) => {
    const result = await runCli(args, options);
    expect(result.stderr).toMatch(pattern);
    expect(result.stderr.trim().split('\n')).toHaveLength(options.lines ?? 1);
    expect(result.stderr).toMatch(/^clawmesh: /);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(result.stdout).toBe('');
    expect(result.code).toBe(code);
    expect(await redis.dbsize()).toBe(0);
  };

  it.each([
    ['an unknown flag', ['enqueue', 'x', '--prioriti', '1'], /unknown option '--prioriti'.*--priority/],
    ['an unknown command', ['enqeue', 'x'], /unknown command 'enqeue'.*enqueue/],
    ['an unknown subcommand', ['task', 'shwo', 'x'], /unknown command 'shwo'.*show/],
    ['no message', ['enqueue'], /nothing to queue/],
    ['an empty message', ['enqueue', ''], /message: must not be empty/],
    ['a message of spaces', ['enqueue', ' \n '], /message: must not be empty/],
    ['two messages', ['enqueue', 'a', '--from', 'b'], /can't be combined/],
    ['too many words', ['enqueue', 'a', 'b'], /too many arguments/],
    ['priority −1', ['enqueue', 'x', '--priority', '-1'], /--priority.*whole number from 0/],
    ['a priority that is no number', ['enqueue', 'x', '--priority', 'high'], /--priority.*whole number/],
    ['a timeout of 4000 days', ['enqueue', 'x', '--timeout', '4000d'], /timeout: expected a duration .* at most 3650d/],
    ['delay 5 parsecs', ['enqueue', 'x', '--delay', '5 parsecs'], /delay: expected a duration such as 500ms/],
    ['a timeout below a second', ['enqueue', 'x', '--timeout', '5ms'], /timeout: expected at least 1s/],
    ['a pool with spaces', ['enqueue', 'x', '--pool', 'my pool'], /pool: expected a pool name/],
    ['a model with spaces', ['enqueue', 'x', '--model', 'a b'], /model: expected a model/],
    ['a tag without a value', ['enqueue', 'x', '--tag', 'novalue'], /--tag.*name=value/],
    [
      'an empty cron line',
      ['schedule', 'add', 'x', '--cron', '', 'm'],
      /--cron: "" is not a valid cron line: it is empty/,
    ],
    ['a cron line of four fields', ['schedule', 'add', 'x', '--cron', '0 7 * *', 'm'], /--cron.*4 fields instead of 5/],
    ['a cron line with H', ['schedule', 'add', 'x', '--cron', 'H 7 * * *', 'm'], /--cron.*minute "H"/],
    ['a cron line of two lines', ['schedule', 'add', 'x', '--cron', '0 7 * * *\n0 8 * * *', 'm'], /--cron.*fields/],
    ['a day that never comes', ['schedule', 'add', 'x', '--cron', '0 7 31 4 *', 'm'], /--cron.*no day in the next ten/],
    [
      'an empty time zone',
      ['schedule', 'add', 'x', '--cron', '0 7 * * *', '--tz', '', 'm'],
      /--tz: unknown time zone ""/,
    ],
    ['an empty interval', ['schedule', 'add', 'x', '--every', '', 'm'], /--every/],
    ['an interval of 4000 days', ['schedule', 'add', 'x', '--every', '4000d', 'm'], /--every/],
    ['a schedule without a message', ['schedule', 'add', 'x', '--every', '1h', ' '], /message: must not be empty/],
    ['zero attempts', ['enqueue', 'x', '--attempts', '0'], /--attempts.*from 1 to 100/],
    ['an idempotency key with spaces', ['enqueue', 'x', '--key', 'a b'], /key: expected an idempotency key/],
    ['a file that is not there', ['enqueue', '--from', '/nope.jsonl'], /nope.jsonl can't be read/],
    ['a pool in other case', ['enqueue', 'x', '--pool', 'Default'], /pool: expected a pool name: lower-case/],
    ['a pool in other case, to list', ['task', 'list', '--pool', 'Default'], /--pool.*a pool name: lower-case/],
    ['a state that does not exist', ['task', 'list', '--state', 'lost'], /--state.*waiting/],
    ['a timeout of nonsense', ['task', 'wait', 'x', '--timeout', 'soon'], /--timeout.*duration/],
  ])('reports %s as a usage error', async (_, args, pattern) => {
    await expectRefusal(['--config', config, ...args], 2, pattern);
  });

  it('refuses a 2 MiB message before Redis sees it', async () => {
    const file = join(emptyFolder(), 'big.txt');
    writeFileSync(file, 'x'.repeat(2 * 1024 * 1024));
    await expectRefusal(['--config', config, 'enqueue', '--message-file', file], 2, /message: is longer than 1 MiB/);
  });

  const latin1 = Buffer.from('caf\xe9', 'latin1');
  const utf16 = Buffer.from('\ufeff{"message":"x"}', 'utf16le');
  const half = String.raw`{"message":"cut \ud83d"}`;
  it.each([
    ['a message in Latin-1', '--message-file', latin1, /line 1 is not UTF-8 text/],
    ['a message in UTF-16', '--message-file', utf16, /is UTF-16 text, expected UTF-8/],
    ['tasks in Latin-1', '--from', Buffer.concat([Buffer.from('\n'), latin1]), /:2: is not UTF-8 text/],
    ['tasks in UTF-16', '--from', utf16, /:1: is UTF-16 text, expected UTF-8/],
    ['half a character', '--from', Buffer.from(half), /:1: message: contains half a character/],
  ])('refuses %s, and names the encoding', async (_, option, bytes, pattern) => {
    const file = join(emptyFolder(), 'input');
    writeFileSync(file, bytes);
    await expectRefusal(['--config', config, 'enqueue', option, file], 2, pattern);
  });

  it('refuses an argument that is not UTF-8', async () => {
    const script = `exec ${process.execPath} ${entry} --config ${config} enqueue "$(printf 'caf\\351')"`;
    const told = await new Promise<string>((resolve) => {
      execFile('sh', ['-c', script], { env: cleanEnv() }, (error, _, stderr) => resolve(`${error?.code} ${stderr}`));
    });
    expect(told).toMatch(/^2 clawmesh: the argument "caf.*is not valid UTF-8.*\n$/);
    expect(await redis.dbsize()).toBe(0);
  });

  it('queues none of many lines if one is bad, and names it', async () => {
    const good = '{"message":"a"}\n';
    const input = `${good.repeat(6)}{"message": oops}\n${good}`;
    await expectRefusal(['--config', config, 'enqueue', '--from', '-'], 2, /standard input:7: not valid JSON/, {
      input,
    });
  });

  it('names the intended field for a line with an unknown field', async () => {
    const input = '{"message":"a","priorty":1}\n';
    await expectRefusal(
      ['--config', config, 'enqueue', '--from', '-'],
      2,
      /standard input:1: priorty: unknown field; did you mean "priority"\?/,
      { input },
    );
  });

  it.each([
    ['unknown key', 'queue:\n  visibilityTimout: 3m\n', /:2:3: queue.visibilityTimout: unknown key; did you mean/],
    ['wrong type', 'mesh: [a]\n', /:1:1: mesh: expected string/],
    ['missing variable', 'redis: {url: "${NOT_SET_ANYWHERE}"}\n', /environment variable NOT_SET_ANYWHERE is not set/],
    ['nothing', '', /is empty/],
  ])('stops every command for a config with %s', async (_, text, pattern) => {
    await expectRefusal(['--config', writeConfig(text), 'enqueue', 'x'], 2, pattern);
  });

  it('stops every command for a config that is missing or a folder', async () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'dir'));
    await expectRefusal(['--config', join(folder, 'nope.yaml'), 'status'], 2, /nope.yaml: no such file/);
    await expectRefusal(['--config', join(folder, 'dir'), 'status'], 2, /dir: is a folder/);
  });

  it('exits with code 4 for an unknown task or node', async () => {
    await expectRefusal(['--config', config, 'task', 'show', 'nope'], 4, /no task nope/);
    await expectRefusal(['--config', config, 'task', 'logs', 'nope'], 4, /no task nope/);
    await expectRefusal(['--config', config, 'node', 'show', 'nope'], 4, /no node nope/);
  });

  it('exits with code 3 without a Redis', async () => {
    await expectRefusal(['status'], 3, /no Redis is configured, and no private Redis runs here/, {
      env: { HOME: emptyFolder(), CLAWMESH_HOME: emptyFolder() },
    });
  });
});

describe('an unusable Redis', () => {
  const servers: SpawnedRedis[] = [];
  const start = async (extra: string[] = []) => {
    const server = await SpawnedRedis.start(extra);
    servers.push(server);
    return server;
  };
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  it('reports a Redis that refuses the connection', async () => {
    const port = await reservePort();
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}"}`)).toMatch(/connection refused.*firewall/);
  });

  it('reports a Redis with another password', async () => {
    const { port } = await start(['--requirepass', 'right']);
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}", password: wrong}`)).toMatch(
      /wrong user name or password/,
    );
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}"}`)).toMatch(
      /requires a password, and none is configured/,
    );
  });

  it('reports a Redis whose name is not in DNS', async () => {
    expect(await refusalOf('{url: "redis://no-such-host.invalid:6379"}')).toMatch(/does not resolve/);
  });

  it('reports a Redis that speaks no TLS on that port', async () => {
    const { port } = await start();
    expect(await refusalOf(`{url: "rediss://127.0.0.1:${port}"}`)).toMatch(/does not speak TLS.*redis:\/\//);
  });

  it('reports a Redis that may evict tasks', async () => {
    const { port } = await start(['--maxmemory-policy', 'allkeys-lru']);
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}"}`)).toMatch(
      /maxmemory-policy is allkeys-lru.*noeviction/,
    );
  });

  it('reports a Redis without that database number, and leaves it alone', async () => {
    const { port, url } = await start();
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}/99"}`)).toMatch(/has no database with this number/);
    const config = writeConfig(`mesh: m\nredis: {url: "redis://127.0.0.1:${port}/99"}\n`);
    expect((await runCli(['--config', config, 'enqueue', 'x'])).code).toBe(3);
    const redis = new Redis(url);
    expect(await redis.dbsize()).toBe(0);
    redis.disconnect();
  });

  it('keeps the tasks in the database that the URL names', async () => {
    const { port, url } = await start();
    const config = writeConfig(`mesh: m\nredis: {url: "redis://127.0.0.1:${port}/3"}\n`);
    expect((await runCli(['--config', config, 'enqueue', 'x'])).code).toBe(0);
    const redis = new Redis(`${url}/3`);
    expect(await redis.llen('{clawmesh:m}:default:wait')).toBe(1);
    redis.disconnect();
  });

  it('reports a Redis that is a replica', async () => {
    const primary = await start();
    const { port } = await start(['--replicaof', '127.0.0.1', String(primary.port)]);
    expect(await refusalOf(`{url: "redis://127.0.0.1:${port}"}`)).toMatch(/read-only replica.*primary/);
  });

  it('reports a Redis that accepts the connection and never replies', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGSTOP');
    try {
      expect(await refusalOf(`{url: "redis://127.0.0.1:${server.port}"}`)).toMatch(/no answer in time/);
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
  });
});
