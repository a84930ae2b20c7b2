import type { Gate } from './gate.ts';

/** Mixed versions break protocol and state (the guide, step 1), so a node with another one than the pinned waits. */
export const openclawVersion: Gate = {
  name: 'openclaw-version',
  check: ({ openclaw: { version, expected }, versionMismatch }) => {
    if (expected === null || version === null || version === expected) return null;
    return {
      reason: `OpenClaw ${version} runs here, the mesh wants ${expected}`,
      fix: `install openclaw@${expected} there and restart its gateway, or change openclaw.version`,
      onlyWarns: versionMismatch === 'warn',
    };
  },
};
