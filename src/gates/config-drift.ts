import type { Gate } from './gate.ts';

/** One config on every Mac (the guide, step 1). */
export const configDrift: Gate = {
  name: 'config-drift',
  check: ({ otherDigest, configDrift: then }) => {
    if (otherDigest === undefined) return null;
    return {
      reason: `the config here is not that of most nodes (${otherDigest})`,
      fix: 'roll the same file out to all (clawmesh config digest on each), and restart the node',
      onlyWarns: then === 'warn',
    };
  },
};
