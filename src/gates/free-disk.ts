import { formatSize } from '../domain/units.ts';
import type { Gate } from './gate.ts';

/** Agents write; a full disk fails runs in ways that look like anything. */
export const freeDisk: Gate = {
  name: 'free-disk',
  check: ({ freeDisk: free, minFreeDisk }) => {
    if (free === undefined || free >= minFreeDisk) return null;
    return {
      reason: `${(free / 1e9).toFixed(1)} GB of disk are free, ${formatSize(minFreeDisk)} are wanted`,
      fix: 'make room there, or lower gates.minFreeDisk',
    };
  },
};
