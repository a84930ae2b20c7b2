import { defineGate } from './gate.ts';

/** One config on every Mac. */
export const configDrift = defineGate({
  name: 'config-drift',
  check: ({ otherDigest, config: { gates } }) =>
    otherDigest === undefined
      ? null
      : {
          reason: `the config here differs from the config of most nodes (${otherDigest})`,
          onlyWarns: gates.configDrift === 'warn',
        },
  fix: 'roll the same file out to all (clawmesh config digest on each), and restart the node',
});
