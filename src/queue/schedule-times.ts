import { CronLine } from '../domain/cron-line.ts';
import { cutText } from '../domain/cut-text.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import type { ScheduleTimes } from '../domain/schedule.ts';
import { MAX_DURATION_MS } from '../domain/units.ts';
import { ZoneClock } from '../domain/zone-clock.ts';

/** Shorter intervals would queue more than agents can run, ms. */
const LEAST_EVERY_MS = 1_000;
const DAY_MS = 86_400_000;
/** Maximum length of user input quoted in a message, characters. */
const QUOTED = 60;

/**
 * Checks the times of a schedule that a user has given.
 *
 * @param now see {@link checkTimes}.
 * @throws ClawmeshError `usage`.
 */
export function parseTimes(
  input: { cron?: string | undefined; timezone?: string | undefined; everyMs?: number | undefined },
  now: number,
): ScheduleTimes {
  const { cron, timezone, everyMs } = input;
  if (cron === undefined && everyMs === undefined) throw refused('no times given', HOW);
  if (cron !== undefined && everyMs !== undefined) throw refused('--cron and --every cannot be combined', HOW);
  if (cron === undefined && timezone !== undefined) throw refused('--tz requires --cron', 'leave out --tz');
  const times = cron === undefined ? { everyMs: everyMs ?? 0 } : { cron, timezone: timezone ?? null };
  checkTimes(times, now);
  return times;
}

const HOW = 'give either --cron "0 7 * * *" (with --tz for a time zone) or --every 30m';

/**
 * Checks that a schedule with these times will ever queue a task.
 *
 * @param now ms since the epoch; a cron line must name a time in the ten years after it.
 * @throws ClawmeshError `usage`.
 */
export function checkTimes(times: ScheduleTimes, now: number): void {
  const { cron, everyMs } = times;
  if (cron === undefined) {
    if (Number.isSafeInteger(everyMs) && everyMs >= LEAST_EVERY_MS && everyMs <= MAX_DURATION_MS) return;
    throw refused('--every: expected at least 1s and at most 3650d');
  }
  const { timezone } = times;
  if (timezone !== null && !isTimezone(timezone)) {
    throw refused(`--tz: unknown time zone ${quoted(timezone)}`, 'give a name such as Europe/Berlin or UTC');
  }
  try {
    nextTime(times, now);
  } catch (error) {
    throw refused(
      `--cron: ${quoted(cron)} is not a valid cron line: ${messageOf(error)}`,
      'give five fields: minute, hour, day, month and weekday, e.g. "0 7 * * 1-5"',
    );
  }
}

type CronTimes = Extract<ScheduleTimes, { cron: string }>;

/**
 * The first `most` times after `afterMs` that the cron line names, ms, in order; none later than in ten years. A zone
 * of null is UTC.
 *
 * When clocks move forward, a line for certain hours runs once right after the gap if it names a time in it. When they
 * move back, it runs once at a time that occurs twice. A line for every hour keeps its usual pace.
 *
 * @throws Error for an invalid line.
 */
export function* timesAfter({ cron, timezone }: CronTimes, afterMs: number, most: number): Generator<number> {
  const line = new CronLine(cron);
  const clock = new ZoneClock(timezone ?? 'UTC');
  const next = line.everyHour ? nextAtPace : nextOfDay;
  let last = afterMs;
  for (let n = 0; n < most; n++) {
    const time = next(line, clock, last);
    if (time === undefined) return;
    yield time;
    last = time;
  }
}

/** The first of {@link timesAfter}. @throws Error also for a line that names no time in the next ten years. */
export function nextTime(times: CronTimes, afterMs: number): number {
  for (const time of timesAfter(times, afterMs, 1)) return time;
  throw new Error('it matches no day in the next ten years');
}

function nextOfDay(line: CronLine, clock: ZoneClock, after: number): number | undefined {
  for (const wall of line.wallTimes(clock.wall(after))) {
    const time = clock.timesOf(wall)[0] ?? clock.timeAfterGap(wall);
    if (time > after) return time;
  }
  return undefined;
}

function nextAtPace(line: CronLine, clock: ZoneClock, after: number): number | undefined {
  // If clocks are about to move back, they will show earlier wall-clock times again.
  const again = Math.max(0, clock.offset(after) - clock.offset(after + DAY_MS));
  let best: number | undefined;
  for (const wall of line.wallTimes(clock.wall(after) - again)) {
    const times = clock.timesOf(wall);
    const [first] = times;
    if (best !== undefined && first !== undefined && first >= best) break;
    for (const time of times) if (time > after && (best === undefined || time < best)) best = time;
  }
  return best;
}

function isTimezone(name: string): boolean {
  try {
    new ZoneClock(name);
    return true;
  } catch {
    return false;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED ? `${cutText(text, QUOTED)}…` : text);
}

function refused(problem: string, remedy = 'nothing was scheduled'): ClawmeshError {
  return new ClawmeshError('usage', problem, { remedy });
}
