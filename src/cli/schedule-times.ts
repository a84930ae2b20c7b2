import type { Schedule } from '../domain/schedule.ts';
import { formatDuration } from '../domain/units.ts';

/** When a schedule is due, as its options say. */
export function whenText({ cron, timezone, everyMs }: Pick<Schedule, 'cron' | 'timezone' | 'everyMs'>): string {
  return cron === null ? `every ${formatDuration(everyMs ?? 0)}` : `${cron} ${timezone}`;
}
