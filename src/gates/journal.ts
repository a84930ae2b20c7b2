import { defineGate } from './gate.ts';

/** If Redis is away when a run ends, an outcome that the disk can't keep is lost, though the run was paid for. */
export const journal = defineGate({
  name: 'journal',
  check: ({ journal: { trouble } }) =>
    trouble === undefined ? null : { problem: `undelivered results can't be kept on disk: ${trouble}` },
  remedy: 'make that folder writable for clawmesh, and check that its disk has free space',
});
