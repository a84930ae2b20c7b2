import { defineGate } from './gate.ts';

/** All Macs should have the same config. */
export const configDrift = defineGate({
  name: 'config-drift',
  check: ({ otherDigest, config: { gates } }) =>
    otherDigest === undefined
      ? null
      : {
          problem: `the config here differs from the config of most nodes (${otherDigest})`,
          severity: gates.configDrift === 'warn' ? 'warning' : 'error',
        },
  remedy: 'roll out the same file to all nodes (compare clawmesh config digest), and restart the node',
});
