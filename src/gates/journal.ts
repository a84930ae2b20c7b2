import { defineGate } from './gate.ts';

/** A run whose outcome can't be kept is paid for without a result if Redis is away when it ends. */
export const journal = defineGate({
  name: 'journal',
  check: ({ journal: { trouble } }) =>
    trouble === undefined ? null : { reason: `outcomes can't be kept on disk: ${trouble}` },
  fix: 'make that a folder which clawmesh can write, with room on its disk',
});
