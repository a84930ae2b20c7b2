import type { Finding } from './finding.ts';
import { formatSize } from './units.ts';

/** @param free bytes. */
export function freeDiskText(free: number): string {
  return `${(free / 1e9).toFixed(1)} GB of disk space is free`;
}

/** The finding if the disk of a node's state has less space than `gates.minFreeDisk`; null if it has enough. */
export function diskFinding(disk: {
  /** The folder whose disk was checked. */
  readonly folder: string;
  /** Bytes. */
  readonly free: number;
  /** Bytes. */
  readonly required: number;
}): Finding | null {
  const { folder, free, required } = disk;
  if (free >= required) return null;
  return {
    severity: 'error',
    problem: `${freeDiskText(free)}, ${formatSize(required)} is required`,
    remedy: diskRemedy(folder),
  };
}

export function diskRemedy(folder: string): string {
  return `free some space on the disk of ${folder}, or lower gates.minFreeDisk`;
}
