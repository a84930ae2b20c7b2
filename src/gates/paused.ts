import { defineGate } from './gate.ts';

/** Redis gives out no tasks of a paused pool. This gate only reports that, since nothing is wrong with the node. */
export const paused = defineGate({
  name: 'paused',
  check: ({ pausedPools }) =>
    pausedPools.length === 0 ? null : { reason: `paused: ${pausedPools.join(', ')}`, onlyWarns: true },
  fix: ({ pausedPools }) => `clawmesh pool resume ${pausedPools[0]} resumes the pool`,
});
