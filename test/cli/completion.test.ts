import { execFileSync } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completionScript, SHELLS } from '../../src/cli/completion/script.ts';
import { valuesOfArgument, valuesOfOption, visibleCommands } from '../../src/cli/completion/values.ts';
import { NamedMeshes } from '../../src/cli/named-meshes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

type Command = Awaited<ReturnType<typeof createProgram>>;

/** The shells themselves are tried in test/groups/shells. */
describe('completion', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let config: string;
  const values = async (...args: string[]): Promise<string[][]> => {
    const { code, stdout, stderr } = await runCli(['--config', config, '__complete', ...args]);
    expect([code, stderr]).toEqual([0, '']);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  };

  beforeAll(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'c');
    config = writeConfig(`mesh: c\nredis: {url: "${server.url}"}\n`);
  });
  afterAll(async () => {
    await mesh.close();
    await server.stop();
  });

  it('has a source of values for every id, node, pool and choice', async () => {
    const check = (command: Command, path: readonly string[]) => {
      const name = path.join(' ');
      for (const argument of command.registeredArguments) {
        const { from } = valuesOfArgument(name, argument);
        if (/^(id|pool|shell|role)$/.test(argument.name()))
          expect([name, argument.name(), from]).not.toContain('nowhere');
      }
      for (const option of command.options) {
        if (!/^--(pool|node|task|after|state|kind|kill|manager|log-format|from|config)$/.test(option.long ?? ''))
          continue;
        expect([name, option.long, valuesOfOption(option).from]).not.toContain('nowhere');
      }
      for (const child of visibleCommands(command)) check(child, [...path, child.name()]);
    };
    check(await createProgram(), []);
  });

  it('offers only tasks that the command accepts: open ones to cancel, failed ones to retry', async () => {
    const node = await mesh.node('mac-1', { pool: 'xcode' });
    const record = aNodeRecord({ pools: { gpu: { concurrency: 1, running: 0 } }, labels: { xcode: '26' } });
    await mesh.redis.hset(mesh.keys.nodes, 'mac-1', JSON.stringify(record));
    const [done, cancelled, open] = await mesh.producer.enqueue(
      ['done\tnow', 'cancelled', 'open \u001b[2J'].map((message) => newTask({ message, pool: 'xcode' })),
    );
    await node.report(await claimNext(node), success);
    const task = await mesh.reader.get(cancelled?.id ?? '');
    if (task) await mesh.control.cancel(task, 'by hand');
    expect((await values('tasks')).map(([id]) => id)).toEqual([open?.id, cancelled?.id, done?.id]);
    expect(await values('open-tasks')).toEqual([[open?.id, 'waiting  open']]);
    expect(await values('failed-tasks')).toEqual([[cancelled?.id, 'cancelled  cancelled']]);
    expect(await values('tasks', done?.id ?? '')).toEqual([[done?.id, 'completed  done now']]);
    expect(await values('pools')).toEqual([['gpu'], ['xcode']]);
    expect(await values('nodes', 'mac')).toEqual([['mac-1', 'up']]);
    expect(await values('labels')).toEqual([['xcode=26']]);
    expect(await values('nodes', 'x')).toEqual([]);
  });

  it('offers tags of recent tasks, and the meshes of this user without asking Redis', async () => {
    await mesh.producer.enqueue([newTask({ tags: { repo: 'x', by: 'ada' } }), newTask({ tags: { repo: 'y' } })]);
    expect(await values('tags', 'repo=')).toEqual([['repo=x'], ['repo=y']]);
    const env = { HOME: emptyFolder() };
    new NamedMeshes(env).add('studio', config);
    const { stdout } = await runCli(['__complete', 'meshes', 's'], { env });
    expect(stdout).toBe(`studio\t${config}\n`);
  });

  it.each(['no Redis at its address', 'a server that does not respond'])(
    'prints nothing, and no error, with %s',
    async (what) => {
      const silent = createServer(() => {});
      if (what.includes('respond')) await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
      const port = (silent.address() as AddressInfo | null)?.port ?? 1;
      const away = writeConfig(`mesh: c\nredis: {url: "redis://127.0.0.1:${port}"}\n`);
      expect(await runCli(['--config', away, '__complete', 'nodes'])).toEqual({ code: 0, stdout: '', stderr: '' });
      silent.close();
    },
  );

  it('generates a script for each shell, and hides the helper commands of the scripts from the help', async () => {
    for (const shell of SHELLS)
      expect(completionScript(await createProgram(), shell)).not.toMatch(/printf [^\n]*__complete/);
    expect((await runCli(['--help'])).stdout).not.toMatch(/__complete/);
    execFileSync('bash', ['-n'], { input: completionScript(await createProgram(), 'bash') });
  });
});
