import { readFileSync } from 'node:fs';

/**
 * The clock that all processes of one machine share, shell scripts included: the time since it booted, which cannot be set.
 * Elsewhere than on Linux it is the wall clock, in seconds.
 */
const isLinux = process.platform === 'linux';

/** What it reads may be so much earlier than it is, ms. */
export const CLOCK_STEP_MS = isLinux ? 10 : 1_000;

/** Shell commands that put the time, ms, into `$now`; without another process if that is possible. */
export const READ_CLOCK = isLinux ? 'read -r up _ < /proc/uptime; now="${up%.*}${up#*.}0"' : 'now="$(date +%s)000"';

/** It is now some time between these two, ms. */
export function sharedClock(): { earliest: number; latest: number } {
  const seconds = isLinux
    ? Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0])
    : Math.floor(Date.now() / 1_000);
  const earliest = Math.round(seconds * 1_000);
  return { earliest, latest: earliest + CLOCK_STEP_MS };
}
