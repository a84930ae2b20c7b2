import { describe, expect, it } from 'vitest';
import { waitAsked } from '../../src/runners/reset-time.ts';

const NOW = Date.parse('2026-11-27T12:00:30Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('the wait that an error text asks for', () => {
  it.each([
    ['Retry after about 12 minutes, or switch', 12 * MINUTE],
    ['Please try again in 6m0s.', 6 * MINUTE],
    ['try again in 1h30m', 90 * MINUTE],
    ['Try again in 3 hours 5 minutes.', 3 * HOUR + 5 * MINUTE],
    ['available again in 2 days and 1 hour', 49 * HOUR],
    ['{"retryDelay": "34s"}', 34_000],
    ['{"resets_in_seconds":120}', 120_000],
    [`{"resets_at":${NOW / 1000 + 60}}`, MINUTE],
    [`resets_at=${NOW + MINUTE}`, MINUTE],
    ['Rate-limited — ready in ~40s. Please wait a moment.', 40_000],
    ['retry-after: Fri, 27 Nov 2026 12:01:00 GMT', 30_000],
    ['resets at 2026-11-27 13:00 UTC', HOUR - 30_000],
    ['resets at 2026-11-27T14:00:00+01:00', HOUR - 30_000],
    ['limit reached · resets 3pm (Europe/Berlin)', 2 * HOUR - 30_000],
    ['resets 1:15 pm (UTC)', 75 * MINUTE - 30_000],
    ['resets at 11:00 UTC', 23 * HOUR - 30_000],
    ['resets at midnight UTC', 12 * HOUR - 30_000],
    ['try again in a moment', undefined],
    ['the reset failed', undefined],
    ['retry 3 of 5', undefined],
    ['resets at 2026-11-27T11:00:00Z', undefined],
    ['resets at 99:99 UTC', undefined],
    ['resets 3pm (Nowhere/Land)', expect.any(Number)],
  ])('reads from %j a wait of %s ms', (text, ms) => expect(waitAsked(text, NOW)).toEqual(ms));

  it('ends at a date without a zone in the zone of this machine', () => {
    const at = new Date(2026, 11, 3, 15, 0);
    expect(waitAsked('try again at Dec 3rd, 2026 3:00 PM.', at.getTime() - HOUR)).toBe(HOUR);
  });

  it.each([
    ['resets at 12:00 UTC', undefined],
    ['resets at 12:01 UTC', 30_000],
    ['try again at 12am (UTC)', 12 * HOUR - 30_000],
    ['try again at 12pm (UTC)', undefined],
    ['resets at midnight (America/New_York)', 17 * HOUR - 30_000],
    ['resets on Nov 28, 2026 at 12:00 PM', 'local'],
  ])('lasts with %j until the clock of its zone shows that time, unless that minute has begun', (text, ms) => {
    const expected = ms === 'local' ? new Date(2026, 10, 28, 12).getTime() - NOW : ms;
    expect(waitAsked(text, NOW)).toBe(expected);
  });

  it('ends at the first future time in the text', () => {
    expect(waitAsked('resets at 2026-11-27T11:00:00Z, try again in 5s, retry after 9s', NOW)).toBe(5_000);
  });

  it('ignores words far behind the ones that announce a time', () => {
    expect(waitAsked(`try again in ${' '.repeat(120)}5s`, NOW)).toBeUndefined();
  });
});
