import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { captureOutput } from '../support/in-process-output.ts';
import { newTask, openTestMesh, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

const FIRST = '01kbv2m6s3aa00000000000000';
const SECOND = '01kbv2m6s3ab00000000000000';

describe('a task that a command line names', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let config: string;
  let home: string;
  const output = captureOutput();
  const cli = async (...args: string[]) => {
    output.clear();
    process.exitCode = undefined;
    const code = await runCli(['--config', config, ...args]);
    return { code, stdout: output.stdout, stderr: output.stderr };
  };
  const stateOf = async (id: string) => (await mesh.reader.get(id))?.state;

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'n');
    config = writeConfig(`mesh: n\nredis: {url: "${server.url}"}\n`);
    home = emptyFolder();
    vi.stubEnv('CLAWMESH_HOME', home);
    await mesh.producer.enqueue([newTask({ id: FIRST }), newTask({ id: SECOND })]);
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  it('may be named by the beginning of its id, in each command that takes one', async () => {
    expect(await cli('task', 'show', '01kbv2m6s3aa', '-o', 'id')).toMatchObject({ code: 0, stdout: `${FIRST}\n` });
    expect(await cli('task', 'logs', '01KBV2M6S3AA')).toMatchObject({
      code: 0,
      stderr: `task ${FIRST} is waiting and has no log lines\n`,
    });
    const waited = await cli('task', 'wait', '01kbv2m6s3aa', '--timeout', '1ms');
    expect([waited.code, waited.stderr]).toEqual([5, expect.stringContaining(`${FIRST} is waiting`)]);
    expect((await cli('task', 'cancel', '01kbv2m6s3aa')).stdout).toBe(`${FIRST}  cancelled\n`);
    expect((await cli('task', 'retry', '01kbv2m6s3aa')).stdout).toBe(`${FIRST}  queued again\n`);
    expect((await cli('task', 'ack', '01kbv2m6s3aa')).stderr).toMatch(`task ${FIRST} is waiting`);
    expect((await cli('handovers', '--task', '01kbv2m6s3aa')).stderr).toBe('no handovers\n');
    expect((await cli('task', 'remove', '01kbv2m6s3aa')).stdout).toBe(`${FIRST}  removed\n`);
    expect([await stateOf(FIRST), await stateOf(SECOND)]).toEqual([undefined, 'waiting']);
  });

  it('is refused with exit code 2 if several tasks fit, and none of them changes', async () => {
    const { code, stdout, stderr } = await cli('task', 'cancel', SECOND, '01kbv2m6s3a');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      `clawmesh: 01kbv2m6s3a fits several tasks: ${SECOND} (waiting), ${FIRST} (waiting) (give more characters of the id)\n`,
    );
    expect([await stateOf(FIRST), await stateOf(SECOND)]).toEqual(['waiting', 'waiting']);
    expect(await cli('task', 'show', '01zzzz')).toMatchObject({ code: 4, stdout: '' });
  });

  it('may be a task to run after, and one whose result a message quotes', async () => {
    const { stdout, code } = await cli('enqueue', 'check {{result:01kbv2m6s3aa}}', '--after', '01kbv2m6s3ab');
    expect(code).toBe(0);
    expect(await mesh.reader.get(stdout.trim())).toMatchObject({
      message: `check {{result:${FIRST}}}`,
      heldBy: 'after',
    });
    const ambiguous = await cli('enqueue', 'check', '--after', '01kbv2m6s3a');
    expect(ambiguous).toMatchObject({ code: 2, stdout: '' });
  });

  it('is @last if this user has enqueued it from here', async () => {
    expect(await cli('task', 'show', '@last')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('this user has enqueued no task in mesh n from this machine'),
    });
    const { stdout } = await cli('enqueue', 'hello');
    expect((await cli('task', 'show', '@last', '-o', 'id')).stdout).toBe(stdout);
    const file = join(home, 'n', 'last-task');
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([stdout, 0o600]);
    const tasks = join(emptyFolder(), 'tasks.jsonl');
    writeFileSync(tasks, '{"message":"a"}\n{"message":"b"}\n');
    const ids = (await cli('enqueue', '--from', tasks)).stdout.trim().split('\n');
    expect((await cli('task', 'cancel', '@last')).stdout).toBe(`${ids[1]}  cancelled\n`);
  });

  it('is still queued if the file of the last task can not be written', async () => {
    vi.stubEnv('CLAWMESH_HOME', '/proc/none');
    expect(await cli('enqueue', 'hello')).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('an error under --json', () => {
  const output = captureOutput();
  const error = async (...args: string[]) => {
    output.clear();
    const code = await runCli(args);
    expect(output.stdout).toBe('');
    return { code, ...JSON.parse(output.stderr) };
  };

  it('is one line of JSON on stderr, whatever fails', async () => {
    expect(await error('task', 'list', '--json', '--limit', '0')).toEqual({
      code: 2,
      error: {
        code: 'usage',
        problem: expect.stringContaining('--limit'),
        remedy: 'see --help',
        exitCode: 2,
      },
    });
    const config = writeConfig('redis: {url: "redis://127.0.0.1:1"}\n');
    expect(await error('--config', config, 'task', 'show', 'x', '-o', 'json')).toMatchObject({
      code: 3,
      error: { code: 'redis', problem: expect.any(String), exitCode: 3 },
    });
    expect(await error('--config', '/none', '--verbose', '--json', 'status')).toMatchObject({
      code: 2,
      error: { code: 'config', stack: expect.stringContaining('ClawmeshError') },
    });
    expect(await error('nosuch', '--json')).toMatchObject({ code: 2, error: { exitCode: 2 } });
  });
});

describe('an invalid option of a task', () => {
  const output = captureOutput();

  it.each([
    [['x', '--delay', 'soon'], /^clawmesh: --delay: expected a duration/],
    [['x', '--idle-timeout', '1ms'], /^clawmesh: --idle-timeout: expected at least 1s/],
    [['x', '--require', 'a=ü'], /^clawmesh: --require a: expected /],
    [['x', '--node-fallback'], /^clawmesh: --node-fallback: requires --node /],
    [['x', '--node', 'a', '--require', 'b=c'], /^clawmesh: --node: cannot be combined with --require /],
    [['x', '--delay', '1h', '--node', 'a'], /^clawmesh: --delay: cannot be combined with --node or --require /],
    [[' '], /^clawmesh: the message: must not be empty/],
  ])('is named by its flag: %j', async (args, message) => {
    const config = writeConfig('redis: {url: "redis://127.0.0.1:1"}\n');
    expect(await runCli(['--config', config, 'enqueue', ...args])).toBe(2);
    expect(output.stderr).toMatch(message);
  });
});
