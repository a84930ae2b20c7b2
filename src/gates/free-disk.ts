import { diskFinding, diskRemedy } from '../domain/free-disk.ts';
import { freeDisk as freeDiskOf } from '../platform/disk-and-memory.ts';
import { defineGate } from './gate.ts';

/** Agents write files, and a full disk makes runs fail in confusing ways. */
export const freeDisk = defineGate<number>({
  name: 'free-disk',
  every: 10_000,
  probe: ({ journal }) => freeDiskOf(journal.folder),
  check: ({ config, journal }, free) =>
    free === undefined ? null : diskFinding({ folder: journal.folder, free, required: config.gates.minFreeDisk }),
  remedy: ({ journal }) => diskRemedy(journal.folder),
});
