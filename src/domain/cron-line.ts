const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Longer lines are refused. A list of all minutes has 170 characters. */
const MAX_LENGTH = 500;
/** How far ahead to search, in days: ten years with leap days, the longest delay that BullMQ can store. */
const HORIZON_DAYS = 3_653;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const NICKNAMES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

interface FieldKind {
  readonly what: string;
  readonly min: number;
  readonly max: number;
  /** Names for the numbers from `min` on. */
  readonly names?: readonly string[];
}
const MINUTE: FieldKind = { what: 'minute', min: 0, max: 59 };
const HOUR: FieldKind = { what: 'hour', min: 0, max: 23 };
const DAY: FieldKind = { what: 'day', min: 1, max: 31 };
const MONTH: FieldKind = { what: 'month', min: 1, max: 12, names: MONTHS };
/** Sunday is both 0 and 7. */
const WEEKDAY: FieldKind = { what: 'weekday', min: 0, max: 7, names: WEEKDAYS };

/**
 * A cron line: minute, hour, day of the month, month and weekday, as in crontab(5). `L` is the last day of the month,
 * `fri#2` its second Friday and `friL` its last Friday. Extensions of other programs (seconds, years, `H`, fewer
 * fields) are refused, because they would mean something else here.
 */
export class CronLine {
  /** The line names every hour of the day, so it describes an interval rather than a time of day. */
  readonly everyHour: boolean;
  readonly #minutes: readonly number[];
  readonly #hours: readonly number[];
  readonly #months: ReadonlySet<number>;
  readonly #isDay: (day: DayOfMonth) => boolean;

  /** @throws Error whose message tells people what is wrong. */
  constructor(text: string) {
    if (text.length > MAX_LENGTH)
      throw new Error(`it has ${text.length} characters; at most ${MAX_LENGTH} are allowed`);
    const line = text.replace(/^[ \t]+|[ \t]+$/g, '');
    if (line === '') throw new Error('it is empty');
    const nickname = NICKNAMES[line.toLowerCase()];
    if (line.startsWith('@') && nickname === undefined) {
      throw new Error(`"${line}" is not one of ${Object.keys(NICKNAMES).join(', ')}`);
    }
    const fields = (nickname ?? line).split(/[ \t]+/);
    const [minute, hour, day, month, weekday] = fields;
    if (fields.length !== 5 || !minute || !hour || !day || !month || !weekday) {
      const seconds = fields.length === 6 ? '; seconds and years are not supported' : '';
      throw new Error(`it has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'} instead of 5${seconds}`);
    }
    this.#minutes = sorted(numbersOf(minute, MINUTE));
    this.#hours = sorted(numbersOf(hour, HOUR));
    this.#months = numbersOf(month, MONTH);
    this.everyHour = this.#hours.length === 24;
    const isMonthDay = monthDays(day);
    const isWeekday = weekdays(weekday);
    // As in crontab(5): if both fields are restricted, a day needs to match only one of them.
    const both = /^[*?]/.test(day) || /^[*?]/.test(weekday);
    this.#isDay = (date) => (both ? isMonthDay(date) && isWeekday(date) : isMonthDay(date) || isWeekday(date));
  }

  /**
   * The wall-clock times that the line names within ten years of `from`, in order. A wall-clock time is written as the
   * epoch time (ms) at which a clock in UTC shows the same.
   */
  *wallTimes(from: number): Generator<number> {
    const first = Math.floor(from / DAY_MS) * DAY_MS;
    for (let day = first; day <= first + HORIZON_DAYS * DAY_MS; day += DAY_MS) {
      const date = new Date(day);
      if (!this.#months.has(date.getUTCMonth() + 1) || !this.#isDay(dayOfMonth(date))) continue;
      for (const hour of this.#hours) {
        for (const minute of this.#minutes) {
          const time = day + hour * HOUR_MS + minute * MINUTE_MS;
          if (time >= from) yield time;
        }
      }
    }
  }
}

interface DayOfMonth {
  readonly day: number;
  /** Number of days in the month. */
  readonly last: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

function dayOfMonth(date: Date): DayOfMonth {
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  return { day: date.getUTCDate(), last, weekday: date.getUTCDay() };
}

function monthDays(field: string): (date: DayOfMonth) => boolean {
  const { special, plain } = partsOf(field, /^L$/i);
  const days = plain === '' ? new Set<number>() : numbersOf(plain, DAY);
  return ({ day, last }) => days.has(day) || (special.length > 0 && day === last);
}

function weekdays(field: string): (date: DayOfMonth) => boolean {
  const { special, plain } = partsOf(field, /^([a-z\d]+)(?:#([1-5])|L)$/i);
  const days = plain === '' ? new Set<number>() : numbersOf(plain, WEEKDAY);
  const placed = special.map(([, day = '', place]) => ({
    weekday: numberOf(day, WEEKDAY) % 7,
    place: place === undefined ? 'last' : Number(place),
  }));
  return ({ day, last, weekday }) =>
    days.has(weekday) ||
    (weekday === 0 && days.has(7)) ||
    placed.some((one) => {
      if (one.weekday !== weekday) return false;
      return one.place === 'last' ? day > last - 7 : Math.ceil(day / 7) === one.place;
    });
}

/** Splits a list into the parts that match `form` and a list of all other parts. */
function partsOf(field: string, form: RegExp): { special: RegExpExecArray[]; plain: string } {
  if (field === '?') return { special: [], plain: '*' };
  const parts = field.split(',').map((part) => ({ part, special: form.exec(part) }));
  const special = parts.flatMap((one) => (one.special ? [one.special] : []));
  return { special, plain: parts.flatMap(({ part, special }) => (special ? [] : [part])).join(',') };
}

/** The numbers of a list such as `1,5-20/5`. */
function numbersOf(field: string, kind: FieldKind): Set<number> {
  const { what, min, max } = kind;
  const found = new Set<number>();
  for (const part of field.split(',')) {
    const [, from, to, step] = /^(\*|[a-z\d]+)(?:-([a-z\d]+))?(?:\/(\d{1,4}))?$/i.exec(part) ?? [];
    if (from === undefined || (from === '*' && to !== undefined)) {
      throw new Error(`${what} "${part}": expected e.g. *, ${min}, ${min}-${max}, */5 or a list of these`);
    }
    const first = from === '*' ? min : numberOf(from, kind);
    // A number with a step runs up to the end of the field.
    const last = to !== undefined ? numberOf(to, kind) : from === '*' || step !== undefined ? max : first;
    if (first > last) throw new Error(`${what} "${part}": ${to} is before ${from}`);
    const by = Number(step ?? 1);
    if (by < 1 || by > max) throw new Error(`${what} "${part}": expected a step from 1 to ${max}`);
    for (let n = first; n <= last; n += by) found.add(n);
  }
  return found;
}

function numberOf(text: string, { what, min, max, names = [] }: FieldKind): number {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return min + named;
  const number = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const or = names.length > 0 ? `, or a name such as ${names[1]}` : '';
  throw new Error(`${what} "${text}": expected a number from ${min} to ${max}${or}`);
}

function sorted(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}
