import type { TaskSpec } from './task.ts';

/** When the tasks of a schedule are due: by a cron line in a time zone, or at a fixed interval. */
export type ScheduleTimes =
  | { readonly cron: string; readonly timezone: string | null; readonly everyMs?: undefined }
  | { readonly everyMs: number; readonly cron?: undefined };

/** A schedule, as `schedule list --json` prints it. */
export interface Schedule {
  readonly name: string;
  readonly pool: string;
  readonly cron: string | null;
  readonly timezone: string | null;
  readonly everyMs: number | null;
  readonly paused: boolean;
  /** When the next task is due (ISO 8601); null while the schedule is paused. */
  readonly nextRunAt: string | null;
  readonly task: Pick<TaskSpec, 'message' | 'agent' | 'model'>;
}

/** A schedule whose next task could not be queued, and the reason. */
export interface ScheduleFailure {
  readonly name: string;
  readonly reason: string;
}
