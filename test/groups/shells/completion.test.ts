import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NamedMeshes } from '../../../src/cli/named-meshes.ts';
import { shellWord } from '../../../src/domain/shell.ts';
import { findProgram } from '../../../src/platform/find-program.ts';
import { BUILT, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { aNodeRecord } from '../../support/node-record.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../../support/pool.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { Terminal } from '../../support/terminal.ts';

/** The program as it is installed: one that is found on PATH. */
const bin = emptyFolder();
const home = emptyFolder();

interface Shell {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** How each shell is set up, as `clawmesh completion --help` says. */
const SET_UP: Readonly<Record<string, (script: string) => Shell>> = {
  bash: (script) => {
    const file = join(home, 'bashrc');
    writeFileSync(file, `PS1='$ '\n${script}`);
    return { command: 'bash', args: ['--noprofile', '--rcfile', file, '-i'], env: {} };
  },
  zsh: (script) => {
    writeFileSync(join(home, '_clawmesh'), script);
    const rc = `PROMPT='$ '\nfpath=(${home} $fpath)\nautoload -Uz compinit\ncompinit -u -D\n`;
    writeFileSync(join(home, '.zshrc'), rc);
    return { command: 'zsh', args: ['-i'], env: { ZDOTDIR: home } };
  },
  fish: (script) => {
    mkdirSync(join(home, 'fish', 'completions'), { recursive: true });
    writeFileSync(join(home, 'fish', 'completions', 'clawmesh.fish'), script);
    const rc = "function fish_prompt; echo -n '$ '; end\nfunction fish_greeting; end\n";
    writeFileSync(join(home, 'fish', 'config.fish'), rc);
    return { command: 'fish', args: ['-i'], env: { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home } };
  },
};

describe.each(Object.keys(SET_UP))('completion in a real %s', (shell) => {
  let server: SpawnedRedis;
  const meshes: TestMesh[] = [];
  let terminal: Terminal;
  let taskId: string;
  let openId: string;
  let otherConfig: string;
  const tasksFile = join(emptyFolder(), 'tasks.jsonl');

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    writeFileSync(join(bin, 'clawmesh'), `#!/bin/sh\nexec ${BUILT.map(shellWord).join(' ')} "$@"\n`);
    chmodSync(join(bin, 'clawmesh'), 0o755);
    writeFileSync(tasksFile, '');
    const config = writeConfig(`mesh: m\nredis: {url: "${server.url}"}\n`);
    otherConfig = writeConfig(`mesh: other\nredis: {url: "${server.url}"}\n`);
    const mesh = await openTestMesh(server.url, 'm');
    const other = await openTestMesh(server.url, 'other');
    meshes.push(mesh, other);
    const node = await mesh.node('mac-1', { pool: 'xcode' });
    const record = aNodeRecord({ pools: { xcode: { concurrency: 1, running: 0 } }, labels: { xcode: '26' } });
    await mesh.redis.hset(mesh.keys.nodes, 'mac-1', JSON.stringify(record));
    await mesh.redis.hset(
      mesh.keys.circuits,
      'p/m',
      JSON.stringify({ failures: 3, kind: 'provider', message: 'HTTP 500', openedAt: 1, dueAt: 2 }),
    );
    await mesh.producer.enqueue([newTask({ pool: 'xcode', message: "it's: [done] $HOME", tags: { repo: 'x' } })]);
    const claim = await claimNext(node);
    taskId = claim.taskId;
    await node.report(claim, success);
    [{ id: openId = '' } = {}] = await mesh.producer.enqueue([newTask({ pool: 'gpu' })]);
    await mesh.schedules.add('nightly', { cron: '0 7 1 1 *', timezone: 'UTC' }, newTask());
    await other.producer.enqueue([newTask({ pool: 'otherpool' })]);

    const named = new NamedMeshes({ HOME: home });
    if (named.list().length > 0) named.remove('other');
    named.add('other', otherConfig);
    const { stdout } = await runCli(['completion', shell]);
    const { command, args, env } = (SET_UP[shell] as (typeof SET_UP)[string])(stdout);
    const program = findProgram([command], process.env);
    if (!program) throw new Error(`no ${command} on PATH; run scripts/setup shells`);
    const path = `${bin}:${process.env.PATH}`;
    terminal = new Terminal(
      [program, ...args],
      { ...env, PATH: path, HOME: home, CLAWMESH_CONFIG: config },
      { columns: 200, rows: 40 },
    );
  });
  afterAll(async () => {
    terminal?.close();
    for (const mesh of meshes.splice(0)) await mesh.close();
    await server.stop();
  });

  /** Presses Tab behind `typed`; resolves once the command line begins with what is expected. */
  const completes = async (typed: string, expected: string) => {
    await prompt();
    terminal.press('-l', typed);
    terminal.press('Tab');
    const shown = `$ ${expected}`;
    await expect.poll(() => terminal.screen().slice(0, shown.length), { timeout: 30_000 }).toBe(shown);
    clear();
  };
  /**
   * Empties the command line and the screen. Not with C-c: that is a signal, which a busy shell acts on later. Then it
   * takes away what was typed meanwhile.
   */
  const clear = () => terminal.press('C-e', 'C-u', 'C-l');
  const prompt = () => expect.poll(() => terminal.screen().trim(), { timeout: 30_000 }).toBe('$');

  afterEach(clear);

  it('completes commands, options and their fixed values', async () => {
    await completes('clawmesh ta', 'clawmesh task');
    await completes('clawmesh task sh', 'clawmesh task show');
    await completes('clawmesh enqueue --prio', 'clawmesh enqueue --priority');
    await completes('clawmesh task list --state comp', 'clawmesh task list --state completed');
    await completes('clawmesh task list --state=comp', 'clawmesh task list --state=completed');
    await completes(
      'clawmesh task list --pool xcode --limit 5 --sta',
      'clawmesh task list --pool xcode --limit 5 --state',
    );
    await completes('clawmesh completion zs', 'clawmesh completion zsh');
  });

  it('completes ids, nodes, pools, labels, schedules and circuits of the mesh', async () => {
    await completes(`clawmesh task show ${taskId.slice(0, -1)}`, `clawmesh task show ${taskId}`);
    await completes('clawmesh task logs -f repeat:night', 'clawmesh task logs -f repeat:nightly:');
    await completes('clawmesh task cancel 0', `clawmesh task cancel ${openId}`);
    await completes('clawmesh node show ma', 'clawmesh node show mac-1');
    await completes('clawmesh task list --node=ma', 'clawmesh task list --node=mac-1');
    await completes('clawmesh pool pause xc', 'clawmesh pool pause xcode');
    await completes('clawmesh enqueue hello --pool xc', 'clawmesh enqueue hello --pool xcode');
    await completes('clawmesh enqueue hello --require xcode=2', 'clawmesh enqueue hello --require xcode=26');
    await completes('clawmesh schedule remove nig', 'clawmesh schedule remove nightly');
    await completes('clawmesh enqueue hello --tag repo', 'clawmesh enqueue hello --tag repo=x');
    await completes('clawmesh circuit close p', 'clawmesh circuit close p/m');
  });

  it('asks the mesh that the line names, and completes files if a file is expected', async () => {
    await completes(
      `clawmesh --config ${otherConfig} pool pause o`,
      `clawmesh --config ${otherConfig} pool pause otherpool`,
    );
    await completes('clawmesh --mesh ot', 'clawmesh --mesh other');
    await completes('clawmesh --mesh=other pool pause o', 'clawmesh --mesh=other pool pause otherpool');
    await completes('clawmesh mesh use ot', 'clawmesh mesh use other');
    const cut = tasksFile.slice(0, -3);
    await completes(`clawmesh enqueue --from ${cut}`, `clawmesh enqueue --from ${tasksFile}`);
  });

  it('prints nothing, and no error, if Redis cannot be reached', async () => {
    const unreachable = writeConfig('mesh: m\nredis: {url: "redis://127.0.0.1:1"}\n');
    const line = `clawmesh --config ${unreachable} node show ma`;
    await prompt();
    terminal.press('-l', line);
    terminal.press('Tab');
    terminal.press('-l', 'c-7');
    await terminal.shows(/node show mac-7/);
    expect(terminal.screen().trim()).toBe(`$ ${line}c-7`);
  });
});
