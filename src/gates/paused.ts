import { defineGate } from './gate.ts';

/** Redis gives out no tasks of a paused pool. This gate only reports that, since nothing is wrong with the node. */
export const paused = defineGate({
  name: 'paused',
  check: ({ pausedPools }) =>
    pausedPools.length === 0 ? null : { problem: `paused: ${pausedPools.join(', ')}`, severity: 'notice' },
  remedy: ({ pausedPools }) => `clawmesh pool resume ${pausedPools[0]} resumes the pool`,
});
