import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT, CliProcess, cleanEnv } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { spawnOwned } from '../../support/processes.ts';

describe('a person at a terminal', () => {
  let mesh: ProcessMesh;
  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  });
  afterAll(() => mesh.stop());
  const waiting = async () => (await mesh.tasks()).filter(({ state }) => state === 'waiting').length;

  it('is asked before many tasks change, with their number, and may decline', async () => {
    await mesh.queueMany(3, 'hello');
    const declined = await mesh.onTerminal(['task', 'cancel', '--state', 'waiting'], 'n\n');
    expect(declined.stdout).toContain('cancel 3 tasks (3 waiting)? [y/N]');
    expect([declined.code, await waiting()]).toEqual([130, 3]);
    const agreed = await mesh.onTerminal(['task', 'cancel', '--state', 'waiting'], 'y\n');
    expect([agreed.code, await waiting()]).toEqual([0, 0]);
  });

  it('must agree in advance if there is no terminal', async () => {
    await mesh.queueMany(2, 'hello');
    const refused = await mesh.cli('task', 'cancel', '--state', 'waiting');
    expect(refused).toEqual({
      code: 2,
      stdout: '',
      stderr: "clawmesh: can't ask whether to cancel 2 tasks (2 waiting) (add --yes to cancel them)\n",
    });
    expect(await waiting()).toBe(2);
    expect((await mesh.cli('task', 'cancel', '--state', 'waiting', '--yes')).stdout.split('\n')).toHaveLength(3);
    expect(await waiting()).toBe(0);
  });

  it('learns from Ctrl-C during a wait that the task continues, and how to look at it', async () => {
    const command = new CliProcess(['--config', mesh.config, 'enqueue', 'hello', '--wait']);
    await command.waitFor(/no node is up/);
    command.signal('SIGINT');
    expect(await command.exited).toBe(130);
    const [id] = /01[0-9a-z]{24}/.exec(command.output) ?? [];
    expect(command.output).toContain(
      `clawmesh: stopped waiting (the task continues; to wait again: clawmesh task wait ${id} --config ${mesh.config}; to look at it: clawmesh task show ${id} --config ${mesh.config})\n`,
    );
    expect((await mesh.task(id ?? '')).state).toBe('waiting');
  });

  it.each([[['hello']], [['hello', '--json']]])('gets the id of %j on stderr if stdout is closed', async (args) => {
    const [program = '', ...words] = [...BUILT, '--config', mesh.config, 'enqueue', ...args];
    const child = spawnOwned(program, words, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    const [id] = /01[0-9a-z]{24}/.exec(stderr) ?? [];
    expect(stderr).toContain(`stdout was closed, but the task is queued: ${id}`);
    expect((await mesh.task(id ?? '')).state).toBe('waiting');
  });
});
