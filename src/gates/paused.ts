import type { Gate } from './gate.ts';

/** Redis itself gives out no task of a paused pool; the gate says so. */
export const paused: Gate = {
  name: 'paused',
  check: ({ pools, pausedPools }) => {
    if (pausedPools.length === 0) return null;
    const onlyWarns = pausedPools.length < pools.length;
    const names = pausedPools.join(', ');
    return { reason: `paused: ${names}`, fix: `clawmesh pool resume ${pausedPools[0]} lets it go on`, onlyWarns };
  },
};
