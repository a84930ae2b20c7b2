import { defineGate } from './gate.ts';

/**
 * A node claims only while OpenClaw answers, since a task claimed without it would just wait for its deadline, and
 * while its
 * tasks do not fail one after the other for unknown reasons.
 */
export const openclawHealth = defineGate({
  name: 'openclaw-health',
  check: ({ openclawTrouble, failureTrouble }) => {
    if (openclawTrouble === null) return failureTrouble === undefined ? null : { reason: failureTrouble };
    return { reason: openclawTrouble ?? 'OpenClaw has not answered yet' };
  },
  fix: ({ openclawTrouble, openclaw }) => {
    if (openclawTrouble === null)
      return 'run openclaw agent exec by hand on that Mac; see clawmesh doctor there, and clawmesh task logs';
    return openclaw.mode === 'gateway'
      ? 'see openclaw gateway status on that Mac; launchctl kickstart -k restarts its gateway'
      : 'check that openclaw --version works for the daemon’s user';
  },
});
