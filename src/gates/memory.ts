import { formatSize } from '../domain/units.ts';
import { defineGate } from './gate.ts';

/** A machine that swaps makes every run on it slow. */
export const memory = defineGate({
  name: 'memory',
  check: ({ freeMemory, config: { gates } }) => {
    const least = gates.minFreeMemory;
    if (freeMemory === undefined || least === 0 || freeMemory >= least) return null;
    return { problem: `${(freeMemory / 1e9).toFixed(1)} GB of memory is free, ${formatSize(least)} is required` };
  },
  remedy: 'quit other programs, give the node fewer slots, or lower gates.minFreeMemory',
});
