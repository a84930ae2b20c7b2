import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The newest version of BullMQ that the registry has; undefined if it does not answer. */
export function newestBullmq(): string | undefined {
  const { status, stdout } = spawnSync('npm', ['view', 'bullmq', 'version'], { encoding: 'utf8' });
  return status === 0 && /^\d+\.\d+\.\d+\s*$/.test(stdout) ? stdout.trim() : undefined;
}

/** A folder, outside of node_modules, with this version of BullMQ; says so if it is not the pinned one. */
export function bullmqFolder(version: string): string {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
  const { bullmq: pinned = '' } = dependencies;
  console.log(
    version === pinned ? `BullMQ ${pinned} is the newest` : `BullMQ ${version} is newer than ours, ${pinned}`,
  );
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'clawmesh', 'bullmq', version);
  if (!existsSync(folder)) {
    const fresh = `${folder}.new`;
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    const options = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
    execFileSync('npm', ['install', '--prefix', fresh, ...options, `bullmq@${version}`], { stdio: 'inherit' });
    mkdirSync(dirname(folder), { recursive: true });
    renameSync(fresh, folder);
  }
  return folder;
}
