import { humanDuration } from '../domain/units.ts';
import { defineGate } from './gate.ts';

/** clawmesh does not depend on a Mac's clock, but certificates, logins and what agents write do. */
export const clock = defineGate({
  name: 'clock',
  check: ({ clockSkewMs, config: { gates } }) => {
    if (clockSkewMs === undefined || Math.abs(clockSkewMs) <= gates.maxClockSkew) return null;
    const way = clockSkewMs > 0 ? 'fast' : 'slow';
    return {
      problem: `the clock of this machine is ${humanDuration(Math.abs(clockSkewMs))} ${way}, compared with Redis time`,
      severity: gates.clockSkew === 'warn' ? 'warning' : 'error',
    };
  },
  remedy: 'turn on network time there, or set the clock once (sudo sntp -sS time.apple.com)',
});
