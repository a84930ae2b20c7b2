import { NOT_RESPONDED_YET } from '../domain/node.ts';
import { defineGate } from './gate.ts';

/**
 * Closed while OpenClaw does not respond, since claimed tasks would only wait for their deadlines. Also closed while
 * one task after the other fails here for unknown reasons.
 */
export const openclawHealth = defineGate({
  name: 'openclaw-health',
  check: ({ openclawTrouble, failureTrouble }) => {
    if (openclawTrouble === null) return failureTrouble === undefined ? null : { problem: failureTrouble };
    return { problem: openclawTrouble ?? NOT_RESPONDED_YET };
  },
  remedy: ({ openclawTrouble, openclawRemedy }) =>
    openclawTrouble === null
      ? 'run openclaw agent exec by hand on that Mac; also run clawmesh doctor there, and see clawmesh task logs'
      : `on that Mac: ${openclawRemedy}`,
});
