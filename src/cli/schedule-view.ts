import { stringify } from 'yaml';
import type { ScheduleDetails } from '../client/schedules.ts';
import { ago, type Output, oneLine, styledState } from './output.ts';
import { whenText } from './schedule-times.ts';

/** Prints everything about a schedule: its fields, its next runs and the template of its tasks. */
export function printSchedule(out: Output, schedule: ScheduleDetails): void {
  const { name, pool, paused, nextRuns, lastTask: last } = schedule;
  const field = (title: string, value: string) =>
    out.line(`${out.style('dim', (title && `${title}:`).padEnd(10))} ${value}`);
  field('schedule', name);
  field('when', whenText(schedule));
  field('state', paused ? out.style('yellow', 'paused') : 'active');
  field('pool', pool);
  if (last) {
    const error = last.error ? `: ${last.error.kind}: ${oneLine(last.error.message, 100)}` : '';
    field('last task', `${last.id} ${styledState(out, last.state)} ${ago(last.finishedAt ?? last.startedAt)}${error}`);
  } else field('last task', 'none');
  for (const [index, at] of nextRuns.entries()) field(index === 0 ? 'next runs' : '', `${at}  ${ago(at)}`);
  out.line();
  out.foreign(stringify(schedule.task).trimEnd());
}
