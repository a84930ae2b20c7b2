import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskFile } from '../../src/cli/task-source.ts';
import { newTaskId } from '../../src/domain/ids.ts';
import type { Task } from '../../src/domain/task.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { type CliResult, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { SpawnedRedis } from '../support/redis.ts';

describe('enqueue options beside --from', () => {
  let server: SpawnedRedis;
  let config: string;
  const file = join(emptyFolder(), 'tasks.jsonl');
  const cli = (...args: string[]) => runCli(['--config', config, ...args]);
  const from = (lines: readonly object[], ...options: string[]): Promise<CliResult> => {
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return cli('enqueue', '--from', file, ...options);
  };
  const show = async (id: string): Promise<Task> => JSON.parse((await cli('task', 'show', id, '--json')).stdout);
  const queued = async (lines: readonly object[], ...options: string[]): Promise<Task[]> => {
    const { stdout, stderr, code } = await from(lines, ...options);
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/^clawmesh:/)]);
    return Promise.all(stdout.trim().split('\n').map(show));
  };
  const countTasks = async (): Promise<number> => {
    const { stdout } = await cli('task', 'list', '--limit', '1000', '--json');
    return JSON.parse(stdout).tasks.length;
  };

  beforeEach(async () => {
    server = await SpawnedRedis.start();
    config = writeConfig(
      `mesh: m\nredis: {url: "${server.url}"}\nnodes: {mac-1: {labels: {xcode: "26"}}, mac-2: {labels: {xcode: "27"}}}\n`,
    );
  });
  afterEach(() => server.stop());

  it('uses each option as the default of every line', async () => {
    const options =
      '--agent a1 --session s1 --model p/m --thinking low --pool xcode --priority 3 --delay 1h --attempts 7 --timeout 20m --tag a=1 --tag b=2';
    const [plain, own] = await queued(
      [
        { message: 'plain' },
        {
          message: 'own',
          agent: 'a2',
          session: 's2',
          model: 'p/n',
          thinking: 'high',
          pool: 'gpu',
          priority: 0,
          delay: '0s',
          attempts: 1,
          timeout: '5m',
          tags: { b: 'mine', c: '3' },
        },
      ],
      ...options.split(' '),
    );
    expect(plain).toMatchObject({
      message: 'plain',
      agent: 'a1',
      session: 's1',
      model: 'p/m',
      thinking: 'low',
      pool: 'xcode',
      priority: 3,
      state: 'delayed',
      attempts: { max: 7 },
      timeoutMs: 1_200_000,
      tags: { a: '1', b: '2' },
    });
    expect(own).toMatchObject({
      message: 'own',
      agent: 'a2',
      session: 's2',
      model: 'p/n',
      thinking: 'high',
      pool: 'gpu',
      priority: 0,
      state: 'waiting',
      attempts: { max: 1 },
      timeoutMs: 300_000,
      tags: { a: '1', b: 'mine', c: '3' },
    });
  });

  it('sends tasks where the options say, unless a line says that itself', async () => {
    const [plain, node, labels] = await queued(
      [{ message: 'a' }, { message: 'b', node: 'mac-2' }, { message: 'c', require: { xcode: '27' } }],
      ...['--node', 'mac-1', '--node-fallback'],
    );
    expect([plain?.target, node?.target, labels?.target]).toEqual(['prefer:mac-1', 'prefer:mac-2', 'require:xcode=27']);
    const [required, elsewhere] = await queued(
      [{ message: 'a' }, { message: 'b', node: 'mac-2' }],
      ...['--require', 'xcode=26'],
    );
    expect([required?.target, elsewhere?.target]).toEqual(['require:xcode=26', 'node:mac-2']);
  });

  it('applies --after to every task, and --key to the only task', async () => {
    const [first] = await queued([{ message: 'first' }], '--key', 'k1');
    expect(first?.key).toBe('k1');
    const id = first?.id ?? '';
    const [second, third] = await queued([{ message: 'second' }, { message: 'third' }], '--after', id);
    expect([second?.heldBy, third?.heldBy]).toEqual(['after', 'after'].map(() => expect.stringMatching(/^after/)));
  });

  it('refuses a wrong value once, under the name of its option, and queues nothing', async () => {
    const lines = [{ message: 'a' }, { message: 'b' }];
    for (const [options, what] of [
      [['--delay', 'soon'], /^clawmesh: --delay: expected .*\(nothing was queued\)\n$/],
      [['--pool', 'No Pool'], /^clawmesh: --pool: expected .*\n$/],
      [['--node', 'mac-1', '--require', 'xcode=26'], /^clawmesh: --node: cannot be combined with --require.*\n$/],
      [['--after', 'nope'], /^clawmesh: no task nope .*\n$/],
      [['--node', 'mac-9'], /^clawmesh: no node mac-9 .*\n$/],
    ] as const) {
      const { code, stdout, stderr } = await from(lines, ...options);
      expect([options, code === 0, stdout]).toEqual([options, false, '']);
      expect(stderr).toMatch(what);
    }
    expect(await countTasks()).toBe(0);
  });

  it('refuses one --key for two tasks, and names the line and the remedy', async () => {
    const { code, stderr } = await from([{ message: 'a' }, { message: 'b' }], '--key', 'k1');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /tasks\.jsonl:2: key: "k1" is already used on line 1; --key sets it for every line, so give each line its own key/,
    );
    expect(await countTasks()).toBe(0);
  });

  it('reports what is wrong with a line although an option is given', async () => {
    const { code, stderr } = await from(
      [
        { message: 'a', tags: 'x=y' },
        { message: 'b', tags: null },
      ],
      '--tag',
      'a=1',
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/tasks\.jsonl:1: tags: /);
    expect(stderr).toMatch(/tasks\.jsonl:2: tags: /);
  });

  it('resumes an interrupted import only with the options that it began with', async () => {
    const lines = [{ message: 'a' }, { message: 'b' }];
    const redis = new Redis(server.url);
    try {
      writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      const plain = await TaskFile.open(file, { attempts: 3 });
      const { digest } = await plain.check();
      await redis.set(new MeshKeys({ prefix: 'clawmesh', mesh: 'm' }).taskImport(digest), `${newTaskId()} 1`);
      expect((await from(lines, '--pool', 'xcode')).stderr).not.toMatch(/resuming/);
      expect((await from(lines)).stderr).toMatch(/resuming the import of this file: 1 of 2/);
    } finally {
      redis.disconnect();
    }
  });
});

describe('an option that another option makes meaningless', () => {
  it('refuses an option that another option makes meaningless', async () => {
    const config = writeConfig('mesh: m\nredis: {url: "redis://127.0.0.1:1"}\n');
    for (const args of [
      ['task', 'list', '--usage', '--pool', 'xcode'],
      ['task', 'list', '--usage', '--limit', '5'],
      ['doctor', '--yes'],
    ]) {
      const { code, stdout, stderr } = await runCli(['--config', config, ...args]);
      expect([args, code, stdout]).toEqual([args, 2, '']);
      expect(stderr).toMatch(/^clawmesh: .*--(usage|fix).*\n$/);
    }
  });
});
