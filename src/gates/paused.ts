import { defineGate } from './gate.ts';

/** Redis itself gives out no task of a paused pool; the gate only says so, since nothing is wrong with the node. */
export const paused = defineGate({
  name: 'paused',
  check: ({ pausedPools }) =>
    pausedPools.length === 0 ? null : { reason: `paused: ${pausedPools.join(', ')}`, onlyWarns: true },
  fix: ({ pausedPools }) => `clawmesh pool resume ${pausedPools[0]} resumes it`,
});
