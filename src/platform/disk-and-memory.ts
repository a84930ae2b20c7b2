import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { execa } from 'execa';
import { nearestExisting } from './make-folder.ts';

const SYSCTL_TIMEOUT_MS = 5_000;

/** Free space on the disk of this path, which need not exist yet, in bytes and for programs without special rights. */
export async function freeDisk(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(nearestExisting(path));
  return bavail * bsize;
}

/**
 * Memory still available to programs, bytes. Both systems count caches as used, but report what is available: Linux in
 * kB, macOS as a percentage.
 */
export async function freeMemory(platform: NodeJS.Platform = process.platform): Promise<number> {
  if (platform === 'darwin') {
    const { stdout } = await execa('sysctl', ['-n', 'kern.memorystatus_level'], {
      reject: false,
      timeout: SYSCTL_TIMEOUT_MS,
    });
    if (/^\d{1,3}$/.test(stdout ?? '')) return (Number(stdout) / 100) * totalmem();
  }
  try {
    const kb = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    if (kb !== undefined) return Number(kb) * 1024;
  } catch {
    // Neither Linux nor macOS reported it.
  }
  return freemem();
}
