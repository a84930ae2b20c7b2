import type { Gate } from './gate.ts';

/** Tasks are only claimed where OpenClaw answers; a task claimed without it would just wait for its deadline. */
export const openclawHealth: Gate = {
  name: 'openclaw-health',
  check: ({ openclawTrouble }) => (openclawTrouble === undefined ? 'OpenClaw has not answered yet' : openclawTrouble),
};
