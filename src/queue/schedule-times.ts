import { CronExpressionParser } from 'cron-parser';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { ScheduleTimes } from '../domain/schedule.ts';

/** Shorter intervals would queue more than agents can run, ms. */
const LEAST_EVERY_MS = 1_000;

/** Checks what a person has written. @throws ClawmeshError `usage`. */
export function parseTimes(input: {
  cron?: string | undefined;
  timezone?: string | undefined;
  everyMs?: number | undefined;
}): ScheduleTimes {
  const { cron, timezone, everyMs } = input;
  if ((cron === undefined) === (everyMs === undefined)) {
    throw new ClawmeshError('usage', cron === undefined ? 'no times given' : '--cron and --every exclude each other', {
      remedy: 'give --cron "0 7 * * *", with --tz, or --every 30m',
    });
  }
  if (everyMs !== undefined) {
    if (timezone !== undefined) throw new ClawmeshError('usage', '--tz goes with --cron', { remedy: 'leave it out' });
    if (everyMs >= LEAST_EVERY_MS) return { everyMs };
    throw new ClawmeshError('usage', '--every: expected at least 1s', { remedy: 'nothing was scheduled' });
  }
  if (timezone !== undefined && !isTimezone(timezone)) {
    throw new ClawmeshError('usage', `--tz: no time zone "${timezone}"`, { remedy: 'e.g. Europe/Berlin or UTC' });
  }
  const times = { cron: cron ?? '', timezone: timezone ?? null };
  try {
    nextTime(times, Date.now());
  } catch (error) {
    throw new ClawmeshError('usage', `--cron: "${cron}" is no cron line: ${messageOf(error)}`, {
      remedy: 'five fields: minute hour day month weekday, e.g. "0 7 * * 1-5"',
    });
  }
  return times;
}

/** The first time after `afterMs` that the cron line names, ms. @throws Error for a line that can't be read, or is never. */
export function nextTime(times: { cron: string; timezone: string | null }, afterMs: number): number {
  const options = { currentDate: new Date(afterMs), ...(times.timezone !== null && { tz: times.timezone }) };
  return CronExpressionParser.parse(times.cron, options).next().getTime();
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
