import type { Finding, Gate } from './gate.ts';

/**
 * Tasks are only claimed where OpenClaw answers, since a task claimed without it would just wait for its deadline, and where
 * not one task after the other fails for reasons that nobody knows.
 */
export const openclawHealth: Gate = {
  name: 'openclaw-health',
  check: ({ openclawTrouble, failureTrouble, openclaw }) => {
    if (openclawTrouble === null) return failureTrouble === undefined ? null : ofTasks(failureTrouble);
    const fix =
      openclaw.mode === 'gateway'
        ? 'see openclaw gateway status on that Mac; launchctl kickstart -k restarts its gateway'
        : 'see that openclaw --version works for the daemon’s user';
    return { reason: openclawTrouble ?? 'OpenClaw has not answered yet', fix };
  },
};

function ofTasks(reason: string): Finding {
  return {
    reason,
    fix: 'run openclaw agent exec by hand on that Mac; see clawmesh doctor there, and clawmesh task logs',
  };
}
