import type { Gate } from './gate.ts';

/** A run whose outcome could not be kept would be paid for in vain, should Redis be away at its end. */
export const journal: Gate = {
  name: 'journal',
  check: ({ journalTrouble }) =>
    journalTrouble === undefined
      ? null
      : {
          reason: `outcomes can't be kept on disk: ${journalTrouble}`,
          fix: 'make that a folder which clawmesh can write, with room on its disk',
        },
};
