import { defineGate } from './gate.ts';

/**
 * Closed while an operator has paused the node. For paused pools, it only gives a notice: Redis gives out none of their
 * tasks, and nothing is wrong with the node.
 */
export const paused = defineGate({
  name: 'paused',
  check: ({ pause, pausedPools }) => {
    if (pause !== undefined) return { problem: pause };
    return pausedPools.length === 0 ? null : { problem: `paused: ${pausedPools.join(', ')}`, severity: 'notice' };
  },
  remedy: ({ pause, pausedPools }) =>
    pause === undefined
      ? `clawmesh pool resume ${pausedPools[0]} resumes the pool`
      : 'clawmesh node resume resumes the node',
});
