import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DURATION_HINT,
  formatDuration,
  formatSize,
  humanDuration,
  MAX_DURATION_MS,
  parseDuration,
  parseSize,
} from '../../src/domain/units.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['0', 0],
    ['3650d', 315_360_000_000],
  ])('reads %s as %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['5 parsecs', '', '10', '-5s', '1h30m', 's', 'Infinitys', '1e3s', '3651d', '99999999999999999d'])(
    'refuses %j as a duration',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  it('limits durations to a maximum, which the hint in every refusal names', () => {
    expect(DURATION_HINT).toContain(`at most ${formatDuration(MAX_DURATION_MS)}`);
  });

  it('reads back every duration that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => parseDuration(formatDuration(ms)) === ms),
    );
  });

  it('never throws, and never returns a negative or fractional number', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseDuration(text);
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });

  it.each([
    [12, '12ms'],
    [3_240, '3.2s'],
    [59_700, '1m'],
    [250_000, '4m 10s'],
    [7_500_000, '2h 5m'],
    [273_600_000, '3d 4h'],
  ])('writes %d ms as %s for people', (ms, text) => expect(humanDuration(ms)).toBe(text));
});

describe('sizes', () => {
  it('reads sizes in powers of ten, in upper or lower case', () => {
    expect([parseSize('5GB'), parseSize('500 mb'), parseSize('12B')]).toEqual([5e9, 5e8, 12]);
    expect([parseSize('5 GiB'), parseSize('5'), parseSize('')]).toEqual([undefined, undefined, undefined]);
  });

  it('reads back every size that it writes', () => {
    fc.assert(fc.property(fc.nat(), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});
