import type { Gate } from './gate.ts';

/** Tasks are only claimed where OpenClaw answers; a task claimed without it would just wait for its deadline. */
export const openclawHealth: Gate = {
  name: 'openclaw-health',
  check: ({ openclawTrouble, openclaw }) => {
    if (openclawTrouble === null) return null;
    const fix =
      openclaw.mode === 'gateway'
        ? 'see openclaw gateway status on that Mac; launchctl kickstart -k restarts its gateway'
        : 'see that openclaw --version works for the daemon’s user';
    return { reason: openclawTrouble ?? 'OpenClaw has not answered yet', fix };
  },
};
