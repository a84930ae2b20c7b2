import { decodeTime, monotonicFactory } from 'ulid';

const next = monotonicFactory();

/**
 * A new task id: a lower-case ULID. Ids from one process sort in the order of creation, ids from all processes by time
 * (ms).
 */
export function newTaskId(): string {
  return next().toLowerCase();
}

/** Crockford's base 32, as ULIDs are written, in lower case. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const NUMBER_LENGTH = 10;

/** The id of the `n`-th task of a batch: time and random digits from `base`, then the number. */
export function numberedTaskId(base: string, n: number): string {
  let digits = '';
  for (let rest = n; digits.length < NUMBER_LENGTH; rest = Math.floor(rest / 32)) digits = DIGITS[rest % 32] + digits;
  return base.slice(0, -NUMBER_LENGTH) + digits;
}

/** The id of an enqueued task, or of one that a schedule created: `repeat:<schedule>:<time, ms>`. */
export const TASK_ID = /^(?:[0-9a-hjkmnp-tv-z]{26}|repeat:[a-z0-9][a-z0-9_-]{0,62}:\d{1,16})$/;

/** When the id was created, ms; undefined for an id without a time. */
export function namedAt(id: string): number | undefined {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id) ? decodeTime(id.toUpperCase()) : undefined;
}
