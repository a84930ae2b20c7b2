import { humanDuration } from '../domain/units.ts';
import type { Gate } from './gate.ts';

/** Nothing of ours depends on a Mac's clock, but certificates, logins and what agents write do. */
export const clock: Gate = {
  name: 'clock',
  check: ({ clockSkewMs, maxClockSkewMs, clockSkew }) => {
    if (clockSkewMs === undefined || Math.abs(clockSkewMs) <= maxClockSkewMs) return null;
    const way = clockSkewMs > 0 ? 'fast' : 'slow';
    return {
      reason: `the clock of this machine is ${humanDuration(Math.abs(clockSkewMs))} ${way}, by Redis' time`,
      fix: 'let it set its clock by network time (sudo sntp -sS time.apple.com)',
      onlyWarns: clockSkew === 'warn',
    };
  },
};
