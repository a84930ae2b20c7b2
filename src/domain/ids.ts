import { createHash, randomInt } from 'node:crypto';

/** Crockford's base 32, as ULIDs are written, in lower case. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 10;
/** Digits for the order of ids of one process and millisecond, and random digits after them. */
const ORDER_LENGTH = 8;
const END_LENGTH = 8;

let last = { ms: 0, order: 0 };

/**
 * A new task id: a lower-case ULID. Ids from one process sort in the order of creation, ids from all processes by time
 * (ms). Consecutive ids end differently, so that people can tell them apart.
 */
export function newTaskId(): string {
  const now = Date.now();
  // The first number leaves room to count up from it.
  last = now > last.ms ? { ms: now, order: randomInt(2 ** 39) } : { ms: last.ms, order: last.order + 1 };
  return digits(last.ms, TIME_LENGTH) + digits(last.order, ORDER_LENGTH) + digits(randomInt(2 ** 40), END_LENGTH);
}

/** The parts of a numbered id after the time: digits of the base, the number, digits that depend on both. */
const BASE_LENGTH = 5;
const NUMBER_LENGTH = 7;
const HASH_LENGTH = 4;

/**
 * The id of the `n`-th task of a batch, from 0: always the same for the same base. Ids sort by number. The last digits
 * look random, since a number there would look the same for most tasks of the batch.
 */
export function numberedTaskId(base: string, n: number): string {
  const hash = createHash('sha256').update(`${base} ${n}`).digest().readUInt32BE();
  const begin = base.slice(0, TIME_LENGTH + BASE_LENGTH);
  return begin + digits(n, NUMBER_LENGTH) + digits(hash % 32 ** HASH_LENGTH, HASH_LENGTH);
}

/** A whole number with this number of base-32 digits. */
function digits(number: number, length: number): string {
  let text = '';
  for (let rest = number; text.length < length; rest = Math.floor(rest / 32)) text = DIGITS[rest % 32] + text;
  return text;
}

/** The id of an enqueued task, or of one that a schedule created: `repeat:<schedule>:<time, ms>`. */
export const TASK_ID = /^(?:[0-9a-hjkmnp-tv-z]{26}|repeat:[a-z0-9][a-z0-9_-]{0,62}:\d{1,16})$/;

/** When the id was created, ms; undefined for an id without a time. */
export function namedAt(id: string): number | undefined {
  if (!/^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id)) return undefined;
  return [...id.slice(0, TIME_LENGTH)].reduce((ms, digit) => ms * 32 + DIGITS.indexOf(digit), 0);
}

/** The earliest time at which an id with this beginning can have been created, ms; undefined if it names no time. */
export function earliestOf(prefix: string): number | undefined {
  const time = prefix.slice(0, TIME_LENGTH).padEnd(TIME_LENGTH, '0');
  return namedAt(time.padEnd(TIME_LENGTH + ORDER_LENGTH + END_LENGTH, '0'));
}
