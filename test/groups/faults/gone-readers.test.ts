import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { privateRedisFolder } from '../../../src/redis/private-server.ts';
import { BUILT, CliProcess, cleanEnv, entry, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { isRunning, spawnOwned } from '../../support/processes.ts';

/** A config for `up`, on ports of the test's own. */
async function upConfig(): Promise<string> {
  return writeConfig(`mesh: m\ndashboard: {port: ${await reservePort()}}\nopenclaw: {mode: simulate}\n`);
}

/** The process of the private server that `up` has started. */
function serverOf(home: string): number {
  const file = join(privateRedisFolder('m', { CLAWMESH_HOME: home }), 'server.json');
  return Number.parseInt(JSON.parse(readFileSync(file, 'utf8')).server, 10);
}

/** Closes this end of the pipes, as a reader that has ended does. */
function stopReading(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
}

describe('clawmesh up', () => {
  let home: string;
  let up: CliProcess | undefined;
  afterEach(async () => {
    await up?.kill();
    up = undefined;
  });

  const start = async () => {
    home = emptyFolder();
    up = new CliProcess(['--config', await upConfig(), 'up'], { CLAWMESH_HOME: home });
    await up.waitFor(/Ctrl-C stops everything/);
    return up;
  };

  it('stops its nodes and its Redis although nothing reads its output any more', async () => {
    const process = await start();
    const server = serverOf(home);
    stopReading(process.child);
    process.signal('SIGINT');
    expect(await process.exited).toBe(0);
    expect(isRunning(server)).toBe(false);
  });

  it('stops its nodes and its Redis on Ctrl-C under | tee, which ends first', async () => {
    home = emptyFolder();
    const folder = emptyFolder();
    const command = [...BUILT, '--config', await upConfig(), 'up'];
    const script = 'trap : INT; "$@" 2>&1 | tee log; echo "${PIPESTATUS[0]}" > code';
    const shell = spawnOwned('bash', ['-c', script, 'bash', ...command], {
      cwd: folder,
      env: cleanEnv({ CLAWMESH_HOME: home }),
      stdio: 'ignore',
      detached: true,
    });
    const log = () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '');
    await expect.poll(log).toContain('Ctrl-C stops everything');
    const server = serverOf(home);
    const ended = once(shell, 'exit');
    process.kill(-(shell.pid ?? 0), 'SIGINT');
    await ended;
    expect(readFileSync(join(folder, 'code'), 'utf8').trim()).toBe('0');
    expect(isRunning(server)).toBe(false);
  });

  it('stops its nodes and its Redis when its terminal is closed', async () => {
    const process = await start();
    const server = serverOf(home);
    stopReading(process.child);
    process.signal('SIGHUP');
    expect(await process.exited).toBe(0);
    expect(isRunning(server)).toBe(false);
  });
});

describe('a command whose output nothing reads', () => {
  let mesh: ProcessMesh;
  afterEach(() => mesh.stop());
  const startMesh = async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  };

  it('drains a node with a readable log and ends it in order', async () => {
    await startMesh();
    const node = new CliProcess(['--config', mesh.config, 'node', 'run', '--log-format', 'pretty'], {
      CLAWMESH_NODE_ID: 'mac-1',
    });
    await node.waitFor(/node is up/);
    stopReading(node.child);
    node.signal('SIGTERM');
    expect(await node.exited).toBe(0);
    expect((await mesh.nodeRecord('mac-1')).state).toBe('stopped');
  });

  it('queues all tasks of a file although nothing reads the output, and says so', async () => {
    await startMesh();
    const lines = Array.from({ length: 5_000 }, (_, index) => `{"message":"task ${index}"}\n`).join('');
    const script = `"$@" | head -n 1; exit "\${PIPESTATUS[0]}"`;
    const words = [...BUILT, '--config', mesh.config, 'enqueue', '--from', '-'];
    const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], { env: cleanEnv(), input: lines });
    expect(String(stderr)).toMatch(/^clawmesh: stdout was closed, but 5000 tasks are queued: [0-9a-z]{26} /);
    expect(status).toBe(1);
    expect((await mesh.snapshot()).pools.default?.waiting).toBe(5_000);
  });

  it('ends a command that follows although nothing reads the output', async () => {
    await startMesh();
    const follower = new CliProcess(['--config', mesh.config, 'events', '-f', '--json']);
    await mesh.startNode('mac-1');
    await follower.waitFor(/mac-1/);
    stopReading(follower.child);
    await mesh.kill('mac-1');
    await mesh.startNode('mac-2');
    expect(await follower.exited).toBe(0);
  });

  it('prints its version without a stack trace although nothing reads the output', () => {
    const script = 'exec 2>&1; sleep 0.2; "$@" | true; echo "${PIPESTATUS[0]}"';
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', ...BUILT, '--version'], { env: cleanEnv() });
    expect(String(stdout).trim()).toBe('0');
  });
});

describe.skipIf(!existsSync('/dev/full'))('a command whose output device is full', () => {
  const run = async (args: string[], full: 'stdout' | 'stderr') => {
    const file = openSync('/dev/full', 'w');
    const child = spawnOwned(process.execPath, [entry, ...args], {
      env: cleanEnv(),
      cwd: emptyFolder(),
      stdio: ['ignore', full === 'stdout' ? file : 'pipe', full === 'stderr' ? file : 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += String(chunk)));
    const [code] = await once(child, 'close');
    return { code, text };
  };

  it('fails with one line if its result does not fit', async () => {
    const { code, text } = await run(['config', 'show'], 'stdout');
    expect(text).toMatch(/^clawmesh: can't write to stdout: .*no space left on device.*\n$/);
    expect(code).toBe(1);
  });

  it('fails with one line if its version does not fit', async () => {
    const { code, text } = await run(['--version'], 'stdout');
    expect(text).toMatch(/^clawmesh: can't write to stdout: /);
    expect(code).toBe(1);
  });

  it('keeps its exit code if only its messages beside the result are lost', async () => {
    expect(await run(['config', 'show', '--config', '/nope.yaml'], 'stderr')).toEqual({ code: 2, text: '' });
    expect((await runCli(['config', 'show', '--config', '/nope.yaml'])).code).toBe(2);
  });
});
