import { defineGate } from './gate.ts';

/** Mixed versions break protocol and state, so a node with another version than the pinned one claims nothing. */
export const openclawVersion = defineGate({
  name: 'openclaw-version',
  check: ({ openclaw: { version, expected }, config: { gates } }) => {
    if (expected === null || version === null || version === expected) return null;
    return {
      problem: `OpenClaw ${version} runs here, but the mesh requires ${expected}`,
      severity: gates.versionMismatch === 'warn' ? 'warning' : 'error',
    };
  },
  remedy: ({ openclaw: { expected } }) =>
    `install openclaw@${expected} there and restart its gateway, or change openclaw.version in the config`,
});
