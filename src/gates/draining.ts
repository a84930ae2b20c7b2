import { defineGate } from './gate.ts';

/** A node claims nothing while it stops, or while an operator drains it. */
export const draining = defineGate({
  name: 'draining',
  check: ({ draining: why }) => {
    if (why === undefined) return null;
    return { problem: why === 'stopping' ? 'the node is stopping' : 'drained by an operator' };
  },
  remedy: ({ draining: why }) =>
    why === 'stopping' ? 'start the node again when you are ready' : 'clawmesh node resume resumes the node',
});
