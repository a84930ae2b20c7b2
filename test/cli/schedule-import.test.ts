import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { writeConfig } from '../support/cli.ts';
import { captureOutput } from '../support/in-process-output.ts';
import { meshPerTest, type TestMesh } from '../support/pool.ts';
import { reservePort } from '../support/ports.ts';

describe('schedule import-openclaw', () => {
  let mesh: TestMesh;
  let config: string;
  const current = meshPerTest('cli-import');
  const output = captureOutput();
  beforeEach(async () => {
    mesh = current();
    const url = mesh.target.kind === 'shared' ? mesh.target.config.url : '';
    // Nothing listens there.
    const gateway = `{url: "ws://127.0.0.1:${await reservePort()}", token: t}`;
    config = writeConfig(`mesh: cli-import\nredis: {url: "${url}"}\nopenclaw: {gateway: ${gateway}}\n`);
  });

  const run = (...words: string[]) => runCli(['--config', config, 'schedule', 'import-openclaw', ...words]);

  it.each([
    [['--from', 'mac-2:18789'], '--from: expected ws://host:port'],
    [['--from', 'http://mac-2:18789'], '--from: expected ws://host:port'],
    [['--from', ''], '--from: expected ws://host:port'],
    [['--tz', 'Mars'], '--tz: unknown time zone "Mars"'],
    [['--undo', '--tz', 'UTC'], '--undo and --tz cannot be combined'],
    [['--undo', '--without-delivery'], '--undo and --without-delivery cannot be combined'],
    [['--undo', '--pool', 'x'], '--undo and --pool cannot be combined'],
    [['--pool', 'X Y'], "option '--pool <pool>' argument 'X Y' is invalid"],
  ])('refuses %j', async (words, problem) => {
    expect(await run(...words)).toBe(2);
    expect(output.stderr).toContain(problem);
    expect(output.stdout).toBe('');
  });

  it('says in one line that the gateway does not respond', async () => {
    expect(await run()).toBe(1);
    expect(output.stderr).toMatch(
      /^clawmesh: the OpenClaw gateway at ws:\/\/127\.0\.0\.1:\d+ can't be used: .*ECONNREFUSED.*\n$/,
    );
    expect(output.stdout).toBe('');
  });
});
