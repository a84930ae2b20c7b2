import { monotonicFactory } from 'ulid';

const next = monotonicFactory();

/** A new task id: a lower-case ULID. Ids of one process sort by the order they were made, ids of all by time (ms). */
export function newTaskId(): string {
  return next().toLowerCase();
}

export const TASK_ID = /^[0-9a-hjkmnp-tv-z]{26}$/;
