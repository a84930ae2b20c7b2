import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { visibleCommands } from '../../src/cli/completion/values.ts';
import { createProgram } from '../../src/cli/program.ts';
import { runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { SpawnedRedis } from '../support/redis.ts';

function everyCommand(command: Command): Command[] {
  return [command, ...visibleCommands(command).flatMap(everyCommand)];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

describe('the command line', () => {
  let server: SpawnedRedis;
  let config: string;
  const cli = async (...args: string[]) => runCli(['--config', config, ...args]);
  const json = async (...args: string[]) => JSON.parse((await cli(...args, '--json')).stdout);

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    config = writeConfig(`mesh: m\nredis: {url: "${server.url}"}\n`);
  });
  afterAll(() => server.stop());

  it('prints only the id of a queued task', async () => {
    const { code, stdout, stderr } = await cli('enqueue', 'hello');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^[0-9a-z]{26}\n$/);
  });

  it('stores every flag of enqueue in the task', async () => {
    const flags =
      '--agent a1 --session s1 --model p/m --thinking low --pool xcode --priority 3 --delay 1h --attempts 7';
    const more = ['--timeout', '20m', '--key', 'k1', '--tag', 'a=1', '--tag', 'b=two words'];
    const { tasks } = await json('enqueue', 'with all', ...flags.split(' '), ...more);
    expect(tasks).toEqual([{ id: expect.any(String), pool: 'xcode', state: 'delayed', duplicate: false }]);
    const task = await json('task', 'show', tasks[0].id);
    expect(task).toMatchObject({
      message: 'with all',
      agent: 'a1',
      session: 's1',
      model: 'p/m',
      thinking: 'low',
      pool: 'xcode',
      priority: 3,
      state: 'delayed',
      attempts: { made: 0, max: 7 },
      timeoutMs: 1_200_000,
      key: 'k1',
      tags: { a: '1', b: 'two words' },
      node: null,
      startedAt: null,
      finishedAt: null,
      result: null,
      error: null,
    });
    expect((await json('enqueue', 'again', '--key', 'k1')).tasks[0]).toMatchObject({
      id: tasks[0].id,
      duplicate: true,
    });
  });

  it('queues the tasks of a file in the order of its lines', async () => {
    const file = join(emptyFolder(), 'tasks.jsonl');
    const lines = Array.from({ length: 2_500 }, (_, index) => JSON.stringify({ message: `m${index}`, pool: 'bulk' }));
    writeFileSync(file, `${lines.join('\n')}\n\n`);
    const { stdout } = await cli('enqueue', '--from', file);
    const ids = stdout.trim().split('\n');
    expect(ids).toHaveLength(2_500);
    expect([...ids].sort()).toEqual(ids);
    expect(await json('task', 'show', ids[2_499] as string)).toMatchObject({ message: 'm2499' });
  });

  it('reads a message from a file or from standard input', async () => {
    const { stdout } = await runCli(['--config', config, 'enqueue', '--message-file', '-'], { input: 'from\nstdin' });
    expect(await json('task', 'show', stdout.trim())).toMatchObject({ message: 'from\nstdin' });
  });

  it('lists tasks by state, pool and tag, newest first', async () => {
    const [first] = (await json('enqueue', 'l1', '--tag', 'suite=list')).tasks;
    const [second] = (await json('enqueue', 'l2', '--tag', 'suite=list', '--priority', '1')).tasks;
    const ids = (tasks: { id: string }[]) => tasks.map(({ id }) => id);
    expect(ids((await json('task', 'list', '--tag', 'suite=list')).tasks)).toEqual([second.id, first.id]);
    expect(ids((await json('task', 'list', '--tag', 'suite=list', '--limit', '1')).tasks)).toEqual([second.id]);
    expect((await json('task', 'list', '--state', 'completed')).tasks).toEqual([]);
    expect((await json('task', 'list', '--pool', 'bulk', '--limit', '5')).tasks).toHaveLength(5);
  });

  it('exits with code 5 when a wait times out', async () => {
    const id = (await cli('enqueue', 'no node runs this')).stdout.trim();
    const { code, stderr } = await cli('task', 'wait', id, '--timeout', '300ms');
    expect([code, stderr]).toEqual([5, expect.stringContaining(`${id} is waiting`)]);
  });

  it('reports in status what is wrong and what to do', async () => {
    const status = await json('status');
    expect(status).toMatchObject({
      mesh: 'm',
      redis: { ok: true },
      nodes: { up: 0 },
      pools: { bulk: { waiting: 2_500 } },
    });
    expect(status.problems[0]).toMatchObject({
      severity: 'error',
      what: expect.stringContaining('no node claims from it'),
      fix: expect.any(String),
    });
    expect((await cli('status')).stdout).toMatch(/tasks wait in pool bulk/);
  });

  it('masks secrets in config show and prints the digest', async () => {
    const secret = writeConfig('mesh: m\nredis: {url: "redis://:hunter2@h:1", password: hunter3}\n');
    const shown = await runCli(['config', 'show', '--config', secret]);
    expect(shown.stdout).not.toMatch(/hunter/);
    expect((await runCli(['config', 'digest', '--config', secret])).stdout).toMatch(/^[0-9a-f]{12}\n$/);
    expect((await runCli(['config', 'check', '--config', secret])).stdout).toMatch(/valid \(mesh m, digest/);
  });

  it.each(['zsh', 'bash', 'fish'])('prints a completion script for %s', async (shell) => {
    const { stdout } = await cli('completion', shell);
    expect(stdout).toMatch(/enqueue/);
    expect(stdout).toMatch(/priority/);
  });

  it('completes the words of a command in a real bash', async () => {
    const { stdout } = await cli('completion', 'bash');
    const complete = (line: string) =>
      spawnSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=(${line}); COMP_CWORD=${line.split(' ').length - 1}; _clawmesh; echo "\${COMPREPLY[@]}"`,
        ],
        {
          encoding: 'utf8',
        },
      ).stdout.trim();
    expect(complete('clawmesh ta')).toBe('task');
    expect(complete('clawmesh task sh')).toBe('show');
    expect(complete('clawmesh enqueue --prio')).toBe('--priority');
  });

  it('shows help with an example and the global options for every command', async () => {
    const { code, stdout } = await runCli(['task', 'list', '--help']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/Global Options:[\s\S]*--config[\s\S]*Examples:\n {2}\$ /),
    ]);
    const [program, ...commands] = everyCommand(await createProgram());
    const lacks = (part: RegExp) =>
      commands.filter((command) => !part.test(helpOf(command))).map((command) => command.name());
    expect(lacks(/Examples:\n {2}\$ .*clawmesh /)).toEqual([]);
    expect(lacks(/Global Options:[\s\S]*--config[\s\S]*--json/)).toEqual([]);
    expect(helpOf(program as Command)).toMatch(/Examples:\n {2}\$ clawmesh /);
  });

  it('loads no queue library to print its version or help', async () => {
    const library = /chunks\/client-|node_modules\/(bullmq|pino)\//;
    const loadedBy = async (...args: string[]) => (await runCli(args, { env: { NODE_DEBUG: 'module,esm' } })).stderr;
    for (const flag of ['--version', '--help']) expect(await loadedBy(flag)).not.toMatch(library);
    expect(await loadedBy('config', 'digest')).toMatch(library);
  });
});
