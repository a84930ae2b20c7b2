import type { TaskSpec } from './task.ts';

/** When a schedule's tasks are due: by a cron line in a time zone, or again and again. */
export type ScheduleTimes =
  | { readonly cron: string; readonly timezone: string | null; readonly everyMs?: undefined }
  | { readonly everyMs: number; readonly cron?: undefined };

/** A task that is queued again and again, as `schedule list --json` prints it. */
export interface Schedule {
  readonly name: string;
  readonly pool: string;
  readonly cron: string | null;
  readonly timezone: string | null;
  readonly everyMs: number | null;
  readonly paused: boolean;
  /** When the next task is due (ISO 8601); null while it's paused. */
  readonly nextRunAt: string | null;
  readonly task: Pick<TaskSpec, 'message' | 'agent' | 'model'>;
}

/** A schedule whose next task could not be queued, and why. */
export interface ScheduleFailure {
  readonly name: string;
  readonly reason: string;
}
