const SECOND = 1_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: 60 * SECOND,
  h: 3_600 * SECOND,
  d: 86_400 * SECOND,
};

/** Words that precede a wait or a time. */
const AFTER_WORDS =
  /(?:retry[-_ ]?(?:after|in|delay)|(?:try|available) again (?:in|after|at|on)|ready in|resets?(?:[-_ ](?:in|after|at|on)(?:[-_ ]seconds)?)?)\b/gi;

/**
 * A duration at the start of a text: `30`, `1.5 minutes`, `1h30m`, `6m0s`, `2 days and 3 hours`; in seconds if it has
 * no unit.
 */
const LENGTH =
  /^(\d{1,9}(?:\.\d{1,9})?) ?(ms|milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|[smhd])?(?![a-z\d:.-])/i;
const LENGTH_PART =
  /^(\d{1,9}(?:\.\d{1,9})?) ?(ms|milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|[smhd])(?=[ ,\d]|$|[^a-z])(?:,? ?(?:and )?)/i;

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?( ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?/i;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/;
const EPOCH = /^(\d{10}|\d{13})(?!\d)/;
const DAY = /^([A-Z][a-z]{2})[a-z]{0,6} (\d{1,2})(?:st|nd|rd|th)?(?:, (\d{4}))?(?:,| at)? /;
/** A time of day, recognized by its minutes, `am` or `pm`. */
const CLOCK =
  /^(?:(\d{1,2}):(\d\d)(?: ?([ap])\.?m\.?)?|(\d{1,2}) ?([ap])\.?m\.?)(?![a-z\d])(?: ?\(?([A-Za-z]+\/[A-Za-z_/]+|UTC|GMT)\)?)?/i;
const MIDNIGHT = /^midnight(?: ?\(?([A-Za-z]+\/[A-Za-z_/]+|UTC|GMT)\)?)?/i;

/**
 * How long a text asks the client to wait, ms; undefined if it names no future time. A time of day or a date is
 * compared with this machine's clock (`now`, ms since the epoch), and is in this machine's zone if it names none.
 */
export function waitAsked(text: string, now: number): number | undefined {
  for (const { 0: words, index } of text.matchAll(AFTER_WORDS)) {
    // JSON and header syntax may separate the words from the time.
    const rest = text
      .slice(index + words.length, index + words.length + 100)
      .replace(/^(?:["':=\s~·]|about |at |on )+/i, '');
    const wait = lengthOf(rest) ?? untilTime(rest, now);
    if (wait !== undefined && wait >= 0) return Math.round(wait);
  }
  return undefined;
}

function lengthOf(text: string): number | undefined {
  if (EPOCH.test(text)) return undefined;
  let rest = text;
  let total: number | undefined;
  for (let part = LENGTH_PART.exec(rest); part; part = LENGTH_PART.exec(rest)) {
    total = (total ?? 0) + Number(part[1]) * unitMs(part[2]);
    rest = rest.slice(part[0].length);
  }
  if (total !== undefined) return total;
  const [, amount, unit] = LENGTH.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * unitMs(unit);
}

function unitMs(unit = 's'): number {
  const name = unit.toLowerCase();
  return UNIT_MS[/^(ms|mil)/.test(name) ? 'ms' : (name[0] ?? 's')] ?? SECOND;
}

function untilTime(text: string, now: number): number | undefined {
  const iso = ISO.exec(text);
  if (iso) return known(Date.parse(`${iso[1]}T${iso[2]}${(iso[3] ?? 'Z').trim().replace(/UTC|GMT/i, 'Z')}`) - now);
  const date = HTTP_DATE.exec(text);
  if (date) return known(Date.parse(date[0]) - now);
  const epoch = EPOCH.exec(text)?.[1];
  if (epoch) return Number(epoch) * (epoch.length === 10 ? SECOND : 1) - now;
  const day = DAY.exec(text);
  const clock = CLOCK.exec(day ? text.slice(day[0].length) : text);
  if (day && clock) {
    const [hour, minute] = timeOfDay(clock);
    return known(Date.parse(`${day[1]} ${day[2]}, ${day[3] ?? new Date(now).getFullYear()} ${hour}:${minute}`) - now);
  }
  const midnight = MIDNIGHT.exec(text);
  if (midnight) return untilClock([0, 0], midnight[1], now);
  return clock ? untilClock(timeOfDay(clock), clock[6], now) : undefined;
}

function known(ms: number): number | undefined {
  return Number.isNaN(ms) ? undefined : ms;
}

function timeOfDay([, hour24, minute, half24, hour12, half12]: readonly (string | undefined)[]): [number, number] {
  const half = (half24 ?? half12)?.toLowerCase();
  const hour = Number(hour24 ?? hour12);
  return [half === undefined ? hour : (hour % 12) + (half === 'p' ? 12 : 0), Number(minute ?? 0)];
}

/** Time until the clock of that zone shows this time, ms. */
function untilClock([hour, minute]: [number, number], zone: string | undefined, now: number): number | undefined {
  if (hour > 24 || minute > 59) return undefined;
  const here = clockOf(now, zone) ?? clockOf(now, undefined);
  if (here === undefined) return undefined;
  const day = 1_440;
  const minutes = (((hour * 60 + minute - here) % day) + day) % day;
  // Subtract the part of the current minute that has passed.
  return minutes * 60_000 - (now % 60_000);
}

/** Minutes since midnight in that zone, or in this machine's; undefined if there is no such zone. */
function clockOf(now: number, timeZone: string | undefined): number | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone });
    const [hours, minutes] = format.format(now).split(':');
    return Number(hours) * 60 + Number(minutes);
  } catch {
    return undefined;
  }
}
