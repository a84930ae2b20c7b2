import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TRIES = 150;
const START_PAUSE_MS = 200;
const STOP_WAIT_MS = 10_000;

export function engineAnswers(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** Starts `dockerd` when none runs and we may. @throws Error if it does not come up. */
export async function startEngine(): Promise<{ stop: () => Promise<void> } | undefined> {
  if (engineAnswers()) return undefined;
  if (process.getuid?.() !== 0 || !existsSync('/usr/sbin/dockerd')) {
    throw new Error('no container engine runs, and starting dockerd requires root and the package docker.io');
  }
  const folder = mkdtempSync(join(tmpdir(), 'clawmesh-docker-'));
  const child = spawn(
    '/usr/sbin/dockerd',
    ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
    { stdio: 'ignore' },
  );
  const stop = () => stopEngine(child, folder);
  for (let tries = 0; tries < START_TRIES; tries++) {
    if (engineAnswers()) return { stop };
    if (child.exitCode !== null) break;
    await sleep(START_PAUSE_MS);
  }
  await stop();
  throw new Error('dockerd did not come up');
}

async function stopEngine(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null) {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await Promise.race([exited, sleep(STOP_WAIT_MS)]);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
