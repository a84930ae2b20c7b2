import { monotonicFactory } from 'ulid';

const next = monotonicFactory();

/** A new task id: a lower-case ULID. Ids of one process sort by the order they were made, ids of all by time (ms). */
export function newTaskId(): string {
  return next().toLowerCase();
}

/** A task of its own, or one that a schedule has made: `repeat:<schedule>:<time, ms>`. */
export const TASK_ID = /^(?:[0-9a-hjkmnp-tv-z]{26}|repeat:[a-z0-9][a-z0-9_-]{0,62}:\d{1,16})$/;
