import type { Gate } from './gate.ts';

/** A node that is about to stop takes nothing new. */
export const draining: Gate = {
  name: 'draining',
  check: (facts) => (facts.draining ? 'the node is stopping' : null),
};
