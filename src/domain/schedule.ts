import type { TaskSpec } from './task.ts';

/** When the tasks of a schedule are due: by a cron line in a time zone, or at a fixed interval. */
export type ScheduleTimes =
  | { readonly cron: string; readonly timezone: string | null; readonly everyMs?: undefined }
  | { readonly everyMs: number; readonly cron?: undefined };

/** A schedule, as `schedule list --json` prints it. */
export interface Schedule {
  /** Name of the schedule. */
  readonly name: string;
  /** Pool of its tasks. */
  readonly pool: string;
  /** Cron line; null for a schedule with an interval. */
  readonly cron: string | null;
  /** Time zone of the cron line; null for a schedule with an interval. */
  readonly timezone: string | null;
  /** Interval, ms; null for a schedule with a cron line. */
  readonly everyMs: number | null;
  /** Whether the schedule is paused. */
  readonly paused: boolean;
  /** When the next task is due (ISO 8601); null while the schedule is paused. */
  readonly nextRunAt: string | null;
  /** What its tasks ask for. */
  readonly task: Pick<TaskSpec, 'message' | 'agent' | 'model'>;
}

/** A schedule whose next task could not be queued, and the reason. */
export interface ScheduleFailure {
  readonly name: string;
  readonly reason: string;
}
