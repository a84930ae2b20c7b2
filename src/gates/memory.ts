import { formatSize } from '../domain/units.ts';
import type { Gate } from './gate.ts';

/** A machine that swaps makes every run on it slow. */
export const memory: Gate = {
  name: 'memory',
  check: ({ freeMemory, minFreeMemory }) => {
    if (freeMemory === undefined || minFreeMemory === 0 || freeMemory >= minFreeMemory) return null;
    return {
      reason: `${(freeMemory / 1e9).toFixed(1)} GB of memory are free, ${formatSize(minFreeMemory)} are wanted`,
      fix: 'end what needs it, give the node fewer slots, or lower gates.minFreeMemory',
    };
  },
};
