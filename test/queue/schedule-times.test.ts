import { describe, expect, it } from 'vitest';
import { nextTime, parseTimes, timesAfter } from '../../src/queue/schedule-times.ts';
import { seeded } from '../support/seeded.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Some zones and years in a few seconds; `SCHEDULES=all` looks at all of them (some minutes), `SEED=<n>` at others. */
const ALL = process.env.SCHEDULES === 'all';
const SEED = Number(process.env.SEED ?? 17);
const YEARS = [2024, 2025, 2026, 2027, 2028];

/** One field of a cron line: as it is written, and which numbers it stands for. */
interface Field {
  readonly text: string;
  readonly has: (n: number) => boolean;
}
interface Line {
  readonly text: string;
  readonly everyHour: boolean;
  readonly names: (wall: number) => boolean;
}

type Random = () => number;
const upTo = (random: Random, most: number) => Math.floor(random() * (most + 1));
const oneOf = <T>(random: Random, ...from: readonly T[]) => from[upTo(random, from.length - 1)] as T;

const any: Field = { text: '*', has: () => true };
const list = (...numbers: number[]): Field => ({ text: numbers.join(), has: (n) => numbers.includes(n) });
const step = (by: number, first: number): Field => ({ text: `*/${by}`, has: (n) => (n - first) % by === 0 });
const range = (from: number, to: number): Field => ({ text: `${from}-${to}`, has: (n) => n >= from && n <= to });

/** A line that is likely to name something close to this time of the wall clock. */
function lineNear(wall: number, random: Random): Line {
  const near = new Date(wall + upTo(random, 240) * MINUTE_MS - 2 * HOUR_MS);
  const hour = near.getUTCHours();
  const [minutes, hours, day, month, weekday] = [
    oneOf(random, list(0), list(30), list(near.getUTCMinutes()), step(20, 0), list(1, 29, 59), range(10, 12)),
    oneOf(random, list(hour), list(hour), list(0), any, range(Math.max(0, hour - 1), hour), step(2, 0), list(2, hour)),
    oneOf(random, any, any, any, list(near.getUTCDate()), step(2, 1)),
    oneOf(random, any, any, list(near.getUTCMonth() + 1)),
    oneOf(random, any, any, list(near.getUTCDay()), list(1, 3)),
  ] as const;
  const both = day.text.startsWith('*') || weekday.text.startsWith('*');
  return {
    text: [minutes, hours, day, month, weekday].map(({ text }) => text).join(' '),
    everyHour: hours === any,
    names: (time) => {
      const date = new Date(time);
      const days = [day.has(date.getUTCDate()), weekday.has(date.getUTCDay())];
      return (
        minutes.has(date.getUTCMinutes()) &&
        hours.has(date.getUTCHours()) &&
        month.has(date.getUTCMonth() + 1) &&
        (both ? days.every(Boolean) : days.some(Boolean))
      );
    },
  };
}

/** What a clock of the zone shows, by another way than the code: from its own words for its distance from UTC. */
function offsetOf(zone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  return (time) => {
    const [, sign, hours, minutes = '0'] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(time)) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes)) * MINUTE_MS;
  };
}

/** When the zone's clocks are moved in these years: the first minute at which they show the new time. */
function moves(offset: (time: number) => number, from: number, to: number): number[] {
  const found: number[] = [];
  const look = (a: number, b: number) => {
    if (offset(a) === offset(b)) return;
    if (b - a === MINUTE_MS) found.push(b);
    else {
      const middle = a + Math.floor((b - a) / 2 / MINUTE_MS) * MINUTE_MS;
      look(a, middle);
      look(middle, b);
    }
  };
  for (let time = from; time < to; time += 5 * DAY_MS) look(time, Math.min(to, time + 5 * DAY_MS));
  return found;
}

/**
 * A cron daemon that looks at the clock each minute. For a line for certain hours it also runs what the clock has just
 * jumped over, once for all of it, and nothing while the clock shows what it has shown before.
 */
function daemon(line: Line, offset: (time: number) => number, from: number, to: number): number[] {
  const runs: number[] = [];
  let shown = from - 2 * DAY_MS + offset(from - 2 * DAY_MS);
  for (let time = from - 2 * DAY_MS + MINUTE_MS; time < to; time += MINUTE_MS) {
    const wall = time + offset(time);
    let runsNow = line.names(wall);
    if (!line.everyHour && wall <= shown) runsNow = false;
    for (let skipped = shown + MINUTE_MS; !line.everyHour && skipped < wall; skipped += MINUTE_MS) {
      runsNow ||= line.names(skipped);
    }
    shown = Math.max(shown, wall);
    if (runsNow && time >= from) runs.push(time);
  }
  return runs;
}

/** The offsets of some days, looked up once for all lines. */
function offsetsOf(offset: (time: number) => number, from: number, to: number): (time: number) => number {
  const first = from - 2 * DAY_MS;
  const known = Array.from({ length: (to - first) / MINUTE_MS }, (_, n) => n).map(() => Number.NaN);
  for (let n = 0; n < known.length; n += 10) {
    const [a, b] = [offset(first + n * MINUTE_MS), offset(first + (n + 9) * MINUTE_MS)];
    for (let m = n; m < n + 10; m++) known[m] = a === b ? a : offset(first + m * MINUTE_MS);
  }
  return (time) => known[(time - first) / MINUTE_MS] as number;
}

function differences(zone: string, year: number, random: Random, lines: number): string[] {
  const offset = offsetOf(zone);
  const found: string[] = [];
  const around = moves(offset, Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1));
  around.push(Date.UTC(year, 0, 1) + upTo(random, 360) * DAY_MS);
  for (const moved of around) {
    const [from, to] = [moved - DAY_MS, moved + DAY_MS];
    const offsets = offsetsOf(offset, from, to);
    for (let n = 0; n < lines; n++) {
      const line = lineNear(moved + offset(moved), random);
      const wanted = daemon(line, offsets, from, to);
      const got: number[] = [];
      for (const time of timesAfter({ cron: line.text, timezone: zone }, from - 1, 5_000)) {
        if (time >= to) break;
        got.push(time);
      }
      const iso = (times: number[]) => times.map((time) => new Date(time).toISOString()).join(' ');
      if (iso(got) !== iso(wanted)) found.push(`${zone} ${line.text}: ${iso(got)} instead of ${iso(wanted)}`);
    }
  }
  return found;
}

describe('times of a cron line', () => {
  const zones = Intl.supportedValuesOf('timeZone');

  it('runs when a daemon that watches the clock would run it, in any zone and year', () => {
    const random = seeded(SEED);
    const cases = ALL
      ? zones.flatMap((zone) => YEARS.map((year) => ({ zone, year })))
      : Array.from({ length: 40 }, () => ({ zone: oneOf(random, ...zones), year: oneOf(random, ...YEARS) }));
    expect(
      cases.flatMap(({ zone, year }) => differences(zone, year, random, ALL ? 8 : 4)),
      `SEED=${SEED}`,
    ).toEqual([]);
  }, 3_600_000);

  it.each([
    ['Australia/Lord_Howe', 2026, 'by half an hour'],
    ['Antarctica/Troll', 2026, 'by two hours'],
    ['Africa/Cairo', 2026, 'over midnight, forward'],
    ['America/Havana', 2026, 'over midnight, back'],
    ['America/Santiago', 2026, 'at midnight'],
    ['Africa/Casablanca', 2026, 'for a month'],
    ['Europe/Dublin', 2026, 'in winter, as the law has it'],
    ['Pacific/Chatham', 2026, 'at a quarter to'],
    ['America/St_Johns', 2010, 'at a minute past'],
    ['Pacific/Apia', 2011, 'by a whole day'],
    ['America/Caracas', 2016, 'by half an hour, for good'],
    ['Asia/Pyongyang', 2018, 'at half past'],
  ])('runs at the right times when clocks change as in %s in %i: %s', (zone, year) => {
    expect(differences(zone, year, seeded(SEED), 15), `SEED=${SEED}`).toEqual([]);
  });

  const times = (cron: string, timezone: string, after: string, count: number) =>
    [...timesAfter({ cron, timezone }, Date.parse(after), count)].map((time) =>
      new Date(time).toISOString().slice(0, 16),
    );

  it('runs once after an hour that the clock skips, and once in an hour that it repeats', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(times('*/20 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:00',
    ]);
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
    expect(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', 3)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ]);
  });

  it.each([
    ['0 7 * * 7', '2026-11-29T07:00 2026-12-06T07:00'],
    ['0 7 * * 5-7', '2026-11-28T07:00 2026-11-29T07:00'],
    ['0 7 * * mon-FRI', '2026-11-30T07:00 2026-12-01T07:00'],
    ['0 7 13 * 5', '2026-12-04T07:00 2026-12-11T07:00 2026-12-13T07:00'],
    ['0 7 */2 * 1', '2026-12-07T07:00 2026-12-21T07:00'],
    ['0 7 L * *', '2026-11-30T07:00 2026-12-31T07:00'],
    ['0 7 1,L * ?', '2026-11-30T07:00 2026-12-01T07:00'],
    ['0 7 * * fri#2', '2026-12-11T07:00 2027-01-08T07:00'],
    ['0 7 * * 5L', '2026-12-25T07:00 2027-01-29T07:00'],
    ['0 0 29 2 *', '2028-02-29T00:00 2032-02-29T00:00'],
    ['5/20 7 * jan *', '2027-01-01T07:05 2027-01-01T07:25 2027-01-01T07:45 2027-01-02T07:05'],
    ['*/7,3 23 * * *', '2026-11-27T23:00 2026-11-27T23:03 2026-11-27T23:07'],
    ['  0\t7 * *  *\t', '2026-11-28T07:00 2026-11-29T07:00'],
    ['@weekly', '2026-11-29T00:00 2026-12-06T00:00'],
  ])('runs at the times that cron defines for %j', (line, wanted) => {
    const all = wanted.split(' ');
    expect(times(line, 'UTC', '2026-11-27T10:00:30Z', all.length)).toEqual(all);
  });

  it.each([
    ['', 'it is empty'],
    [' ', 'it is empty'],
    ['7', '1 field instead of 5'],
    ['H', '1 field instead of 5'],
    ['0 7 * *', '4 fields instead of 5'],
    ['0 0 7 * * *', '6 fields instead of 5; seconds and years are not supported'],
    ['0 7 * * 1 # weekly', '7 fields'],
    ['CRON_TZ=UTC 0 7 * * *', '6 fields'],
    ['0 7 * * *\n0 8 * * *', 'fields instead of 5'],
    ['H 7 * * *', 'minute "H": expected a number from 0 to 59'],
    ['0 H(1-3) * * *', 'hour "H(1-3)"'],
    ['@reboot', '"@reboot" is not one of @hourly'],
    ['60 * * * *', 'minute "60"'],
    ['0 24 * * *', 'hour "24"'],
    ['0 7 0 * *', 'day "0"'],
    ['0 7 32 * *', 'day "32"'],
    ['0 7 * 13 *', 'month "13": expected a number from 1 to 12, or a name such as feb'],
    ['0 7 * * 8', 'weekday "8"'],
    ['0 7 * * friday', 'weekday "friday"'],
    ['0 7 * * fri-mon', 'mon is before fri'],
    ['*/0 * * * *', 'expected a step from 1 to 59'],
    ['*/90 * * * *', 'expected a step from 1 to 59'],
    ['1,,2 * * * *', 'minute ""'],
    ['1-2-3 * * * *', 'minute "1-2-3"'],
    ['-1 * * * *', 'minute "-1"'],
    ['1.5 * * * *', 'minute "1.5"'],
    ['1e1 * * * *', 'minute "1e1"'],
    ['*-5 * * * *', 'minute "*-5"'],
    ['０ 7 * * *', 'minute "０"'],
    ['*\u00a07 * * *', '4 fields'],
    ['0 7 15W * *', 'day "15W"'],
    ['0 7 * * 1#6', 'weekday "1#6"'],
    ['0 7 30 2 *', 'no day in the next ten years'],
    ['0 7 31 4,6,9,11 *', 'no day in the next ten years'],
    [`0 7 * * ${'1,'.repeat(300)}1`, 'characters; at most 500'],
  ])('refuses an odd line: %j', (cron, why) => {
    expect(() => parseTimes({ cron, timezone: 'UTC' }, NOW)).toThrow(why);
  });

  it.each([
    [{}, 'no times given'],
    [{ cron: '0 7 * * *', everyMs: 1_000 }, 'cannot be combined'],
    [{ cron: 'every morning' }, 'is not a valid cron line'],
    [{ cron: '0 7 * * *', timezone: 'Mars/Olympus' }, 'unknown time zone'],
    [{ cron: '0 7 * * *', timezone: '' }, 'unknown time zone ""'],
    [{ everyMs: 5 }, 'at least 1s'],
    [{ everyMs: Number.NaN }, 'at least 1s'],
    [{ everyMs: 1e15 }, 'at most 3650d'],
    [{ everyMs: 5_000, timezone: 'UTC' }, '--tz requires --cron'],
  ])('refuses a meaningless schedule: %j', (input, why) => {
    expect(() => parseTimes(input, NOW)).toThrow(why);
  });

  it('keeps to the wall clock across a change to summer time', () => {
    const times = { cron: '0 7 * * *', timezone: 'Europe/Berlin' };
    const before = nextTime(times, Date.parse('2026-03-28T00:00:00Z'));
    const after = nextTime(times, before);
    expect(new Date(before).toISOString()).toBe('2026-03-28T06:00:00.000Z');
    expect(new Date(after).toISOString()).toBe('2026-03-29T05:00:00.000Z');
  });
});
