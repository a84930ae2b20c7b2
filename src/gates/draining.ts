import type { Gate } from './gate.ts';

/** A node that is about to stop, or that somebody has drained, takes nothing new. */
export const draining: Gate = {
  name: 'draining',
  check: ({ draining: why }) => {
    if (why === undefined) return null;
    if (why === 'stopping') return { reason: 'the node is stopping', fix: 'start it again when you are ready' };
    return { reason: 'drained by hand', fix: 'clawmesh node resume lets it go on' };
  },
};
