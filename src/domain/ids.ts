import { decodeTime, monotonicFactory } from 'ulid';

const next = monotonicFactory();

/** A new task id: a lower-case ULID. Ids of one process sort by the order they were made, ids of all by time (ms). */
export function newTaskId(): string {
  return next().toLowerCase();
}

/** Crockford's base 32, as ULIDs are written, in lower case. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const NUMBER_LENGTH = 10;

/** The id of the `n`-th of many tasks that are queued together: time and some chance from `base`, then the number. */
export function numberedTaskId(base: string, n: number): string {
  let digits = '';
  for (let rest = n; digits.length < NUMBER_LENGTH; rest = Math.floor(rest / 32)) digits = DIGITS[rest % 32] + digits;
  return base.slice(0, -NUMBER_LENGTH) + digits;
}

/** A task of its own, or one that a schedule has made: `repeat:<schedule>:<time, ms>`. */
export const TASK_ID = /^(?:[0-9a-hjkmnp-tv-z]{26}|repeat:[a-z0-9][a-z0-9_-]{0,62}:\d{1,16})$/;

/** When a task of its own was named, ms; undefined for one whose id does not tell. */
export function namedAt(id: string): number | undefined {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id) ? decodeTime(id.toUpperCase()) : undefined;
}
