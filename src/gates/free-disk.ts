import { formatSize } from '../domain/units.ts';
import { freeDisk as freeDiskOf } from '../platform/disk-and-memory.ts';
import { defineGate } from './gate.ts';

/** Agents write files, and a full disk makes runs fail in confusing ways. */
export const freeDisk = defineGate<number>({
  name: 'free-disk',
  every: 10_000,
  probe: ({ journal }) => freeDiskOf(journal.folder),
  check: ({ config: { gates } }, free) =>
    free === undefined || free >= gates.minFreeDisk
      ? null
      : {
          problem: `${(free / 1e9).toFixed(1)} GB of disk space is free, ${formatSize(gates.minFreeDisk)} is required`,
        },
  remedy: 'free some disk space there, or lower gates.minFreeDisk',
});
