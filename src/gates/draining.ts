import { defineGate } from './gate.ts';

/** A node that is about to stop, or that is drained by hand, takes nothing new. */
export const draining = defineGate({
  name: 'draining',
  check: ({ draining: why }) => {
    if (why === undefined) return null;
    return { reason: why === 'stopping' ? 'the node is stopping' : 'drained by hand' };
  },
  fix: ({ draining: why }) =>
    why === 'stopping' ? 'start it again when you are ready' : 'clawmesh node resume resumes it',
});
