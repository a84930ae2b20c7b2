import type { Gate } from './gate.ts';

/** Redis itself gives out no task of a paused pool; the gate only says so, since nothing is wrong with the node. */
export const paused: Gate = {
  name: 'paused',
  check: ({ pausedPools }) => {
    if (pausedPools.length === 0) return null;
    const fix = `clawmesh pool resume ${pausedPools[0]} lets it go on`;
    return { reason: `paused: ${pausedPools.join(', ')}`, fix, onlyWarns: true };
  },
};
