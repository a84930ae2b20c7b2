import { execFile } from 'node:child_process';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TaskFile } from '../../src/cli/task-source.ts';
import { type CliResult, cleanEnv, entry, HANG_MS, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { SpawnedRedis } from '../support/redis.ts';

const line = (message: string) => JSON.stringify({ message });

describe('a source that can be read only once', () => {
  let server: SpawnedRedis;
  let config: string;
  let redis: Redis;

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    config = writeConfig(`mesh: m\nredis: {url: "${server.url}"}\n`);
  });
  beforeEach(() => redis.flushall());
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  const queued = async (): Promise<string[]> => {
    const ids = await redis.lrange('{clawmesh:m}:default:wait', 0, -1);
    const texts = await Promise.all(ids.toReversed().map((id) => redis.hget(`{clawmesh:m}:default:${id}`, 'data')));
    return texts.map((text) => JSON.parse(text ?? '').message);
  };
  /** Runs a line of bash, in which $cm is the built CLI with this config. */
  const bash = (script: string, env: NodeJS.ProcessEnv = {}): Promise<CliResult> =>
    new Promise((resolve) => {
      const own = cleanEnv({ cm: `${process.execPath} ${entry} --config ${config}`, config, ...env });
      const run = { env: own, cwd: emptyFolder(), timeout: HANG_MS };
      execFile('bash', ['-c', script], run, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
      );
    });

  const two = `printf '%s\\n' '${line('one')}' '' '${line('two')}'`;
  it.each([
    ['a process substitution', `$cm enqueue --from <(${two})`],
    ['/dev/stdin', `${two} | $cm enqueue --from /dev/stdin`],
    ['standard input', `${two} | $cm enqueue --from -`],
    ['a named pipe', `mkfifo pipe && (${two} > pipe &) && $cm enqueue --from pipe`],
    ['a file', `${two} > file && $cm enqueue --from file`],
  ])('queues all tasks from %s', async (_, script) => {
    const { code, stdout, stderr } = await bash(script);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n')).toHaveLength(2);
    expect(await queued()).toEqual(['one', 'two']);
  });

  it('queues nothing from an empty source, and says so', async () => {
    const { code, stderr } = await bash('$cm enqueue --from <(true)');
    expect(code).toBe(2);
    expect(stderr).toMatch(/contains no tasks/);
    expect(await redis.dbsize()).toBe(0);
  });

  it('reads a whole message from a pipe', async () => {
    expect((await bash("$cm enqueue --message-file <(printf 'from a pipe')")).code).toBe(0);
    expect(await queued()).toEqual(['from a pipe']);
  });

  it('reads a config from a pipe for commands that read it more than once', async () => {
    const { code, stderr } = await bash(`\${cm% --config*} --config <(cat "$config") enqueue x`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await queued()).toEqual(['x']);
  });

  it.each(['up --no-dashboard'])(
    'refuses a pipe as config for a command that starts other processes: clawmesh %s',
    async (command) => {
      const { code, stderr } = await bash(`\${cm% --config*} --config <(cat "$config") ${command}`);
      expect(stderr).toMatch(/^clawmesh: \/dev\/fd\/\d+: is not a regular file/);
      expect(code).toBe(2);
    },
  );

  it('leaves no copy of the tasks behind', async () => {
    const TMPDIR = emptyFolder();
    expect((await bash(`${two} | $cm enqueue --from -`, { TMPDIR })).code).toBe(0);
    expect(readdirSync(TMPDIR).filter((name) => name !== 'node-compile-cache')).toEqual([]);
  });

  it('refuses to read tasks from a pipe if there is no folder for the copy', async () => {
    const file = join(emptyFolder(), 'nowhere');
    writeFileSync(file, '');
    const result = await runCli(['--config', config, 'enqueue', '--from', '-'], {
      input: line('x'),
      env: { TMPDIR: file },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^clawmesh: .*nowhere.*TMPDIR.*\n$/);
    expect(await redis.dbsize()).toBe(0);
  });
});

describe('a task file that changes after it was checked', () => {
  it.each([
    ['is cut', (path: string) => truncateSync(path, 0)],
    ['is removed', (path: string) => rmSync(path)],
    ['has other tasks', (path: string) => writeFileSync(path, `${line('other')}\n`)],
  ])('queues a checked file as it was when checked, although it %s', async (_, change) => {
    const path = join(emptyFolder(), 'tasks.jsonl');
    const messages = Array.from({ length: 2_500 }, (_, index) => `task ${index}`);
    writeFileSync(path, messages.map(line).join('\n'));
    const file = await TaskFile.open(path, { attempts: 3 });
    try {
      expect((await file.check()).count).toBe(2_500);
      change(path);
      const read: string[] = [];
      for await (const batch of file.tasks()) read.push(...batch.map(({ message }) => message));
      expect(read).toEqual(messages);
    } finally {
      await file.close();
    }
  });
});
