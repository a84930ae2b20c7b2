import type { Gate } from './gate.ts';

/** A node that is about to stop, or that somebody has drained, takes nothing new. */
export const draining: Gate = {
  name: 'draining',
  check: ({ draining: why }) => {
    if (why === undefined) return null;
    return why === 'stopping' ? 'the node is stopping' : 'drained by hand; clawmesh node resume lets it go on';
  },
};
