import { formatSize } from '../domain/units.ts';
import { freeDisk as freeDiskOf } from '../platform/disk-and-memory.ts';
import { defineGate } from './gate.ts';

/** Agents write; a full disk makes runs fail in ways that look like anything. */
export const freeDisk = defineGate<number>({
  name: 'free-disk',
  every: 10_000,
  probe: ({ journal }) => freeDiskOf(journal.folder),
  check: ({ config: { gates } }, free) =>
    free === undefined || free >= gates.minFreeDisk
      ? null
      : { reason: `${(free / 1e9).toFixed(1)} GB of disk are free, ${formatSize(gates.minFreeDisk)} are required` },
  fix: 'free some disk space there, or lower gates.minFreeDisk',
});
