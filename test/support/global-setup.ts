import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Builds what the end-to-end tests run, and sees to it that a container engine is there where one can be. */
export default async function setup(): Promise<() => Promise<void>> {
  if (!process.env.CLAWMESH_TEST_SKIP_BUILD) execFileSync('node', ['scripts/build.ts'], { stdio: 'inherit' });
  const engine = await startEngine();
  return async () => {
    await engine?.stop();
  };
}

function engineAnswers(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** Starts `dockerd` for the tests where none runs and we may; elsewhere the container tests are left out, and say so. */
async function startEngine(): Promise<{ stop: () => Promise<void> } | undefined> {
  if (engineAnswers()) return undefined;
  if (process.getuid?.() !== 0 || !existsSync('/usr/sbin/dockerd')) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'clawmesh-docker-'));
  const child = spawn(
    '/usr/sbin/dockerd',
    ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
    { stdio: 'ignore' },
  );
  const stop = () => stopEngine(child, folder);
  for (let tries = 0; tries < 100; tries++) {
    if (engineAnswers()) return { stop };
    if (child.exitCode !== null) break;
    await sleep(200);
  }
  await stop();
  return undefined;
}

async function stopEngine(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null) {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await Promise.race([exited, sleep(10_000)]);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
