import { ClawmeshError } from '../domain/errors.ts';
import type { Schedule, ScheduleTimes } from '../domain/schedule.ts';
import type { NewTask, Task } from '../domain/task.ts';
import type { ScheduleContent, Schedules } from '../queue/bullmq/schedules.ts';
import type { StoredSchedule } from '../queue/bullmq/stored-schedule.ts';
import type { Enqueued } from '../queue/bullmq/task-producer.ts';
import { parseTimes, timesAfter } from '../queue/schedule-times.ts';
import { changedTask, inputOf, type TaskChange } from '../queue/task-input.ts';
import type { ClientContext } from './context.ts';
import type { MeshTasks } from './tasks.ts';

/** Number of next runs to show. */
const NEXT_RUNS = 5;

/** What to change in a schedule; everything else stays. */
export interface ScheduleChange {
  /** A cron line, in its present time zone or in UTC; replaces an interval. */
  readonly cron?: string | undefined;
  /** Time zone of the cron line. */
  readonly timezone?: string | undefined;
  /** An interval, ms; replaces a cron line. */
  readonly everyMs?: number | undefined;
  readonly task?: TaskChange | undefined;
}

/** Everything about one schedule, as `schedule show --json` prints it. */
export interface ScheduleDetails extends Omit<Schedule, 'task'> {
  /** Its next runs (ISO 8601), at most five; empty while it is paused. */
  readonly nextRuns: readonly string[];
  /** The latest task that a node has claimed, or that was cancelled; null if there was none, or it is no longer kept. */
  readonly lastTask: Pick<Task, 'id' | 'state' | 'startedAt' | 'finishedAt' | 'error'> | null;
  /** The template of its tasks, with the fields of a line of `enqueue --from`. */
  readonly task: Readonly<Record<string, unknown>>;
}

/** Schedules, which enqueue tasks repeatedly. */
export class MeshSchedules {
  readonly #context: ClientContext;
  readonly #schedules: Schedules;
  readonly #tasks: MeshTasks;

  constructor(context: ClientContext, schedules: Schedules, tasks: MeshTasks) {
    this.#context = context;
    this.#schedules = schedules;
    this.#tasks = tasks;
  }

  /** See {@link Schedules.add}. */
  async add(...[name, times, task, options]: Parameters<Schedules['add']>): Promise<Schedule> {
    return this.#schedules.add(name, times, task, options);
  }

  /** All schedules, by name. */
  async list(): Promise<Schedule[]> {
    return this.#schedules.list();
  }

  /** @throws ClawmeshError `not-found`. */
  async find(name: string): Promise<Schedule> {
    return this.#schedules.find(name);
  }

  /** Its next runs, its latest task and its template. @throws ClawmeshError `not-found`. */
  async details(name: string): Promise<ScheduleDetails> {
    const [schedule, stored, last] = await Promise.all([
      this.#schedules.find(name),
      this.#schedules.stored(name),
      this.#schedules.lastTask(name),
    ]);
    const task = last && (await this.#tasks.get(last.id));
    return {
      ...schedule,
      nextRuns: nextRuns(schedule),
      lastTask: task ? lastTask(task) : null,
      task: inputOf(stored.task, stored),
    };
  }

  /**
   * Changes a schedule; its past runs stay. The time of its next run changes only with its times.
   *
   * @throws ClawmeshError `not-found`; `usage` for invalid times or an invalid task; `failed`. Nothing is changed then.
   */
  async update(name: string, { task = {}, ...times }: ScheduleChange): Promise<Schedule> {
    const now = this.#context.clock.now();
    return this.#schedules.update(name, (stored) => ({
      times: changedTimes(stored, times, now),
      task: checkedTask(stored, task),
    }));
  }

  /**
   * Queues a task of the schedule now, with a new id and the tag `schedule`. The next run stays due.
   *
   * @throws ClawmeshError `not-found`; `failed` if the signature of the schedule is wrong.
   */
  async run(name: string): Promise<Enqueued> {
    const stored = await this.#schedules.stored(name);
    const [enqueued] = await this.#tasks.enqueueParsed([checkedTask(stored, { tags: { schedule: name } })]);
    return enqueued as Enqueued;
  }

  /** See {@link Schedules.remove}. */
  async remove(name: string): Promise<void> {
    return this.#schedules.remove(name);
  }

  /** See {@link Schedules.setPaused}. */
  async setPaused(name: string, paused: boolean): Promise<void> {
    return this.#schedules.setPaused(name, paused);
  }

  async close(): Promise<void> {
    await this.#schedules.close();
  }
}

function changedTimes(
  stored: StoredSchedule,
  change: Omit<ScheduleChange, 'task'>,
  now: number,
): ScheduleContent['times'] {
  const { cron, timezone, everyMs } = change;
  if (cron === undefined && timezone === undefined && everyMs === undefined) return timesOf(stored);
  if (everyMs !== undefined) return parseTimes({ cron, timezone, everyMs }, now);
  if (cron === undefined && stored.cron === undefined) {
    throw new ClawmeshError('usage', 'the schedule has an interval, and --tz requires a cron line', {
      remedy: 'give --cron, too',
    });
  }
  return parseTimes({ cron: cron ?? stored.cron, timezone: timezone ?? stored.timezone ?? 'UTC' }, now);
}

function timesOf({ cron, timezone = null, everyMs = 0 }: StoredSchedule): ScheduleTimes {
  return cron === undefined ? { everyMs } : { cron, timezone };
}

/** @throws ClawmeshError `usage`. */
function checkedTask(stored: StoredSchedule, change: TaskChange): NewTask {
  const task = changedTask(inputOf(stored.task, stored), change);
  if (!('problems' in task)) return task;
  throw new ClawmeshError('usage', task.problems.join('; '), { remedy: 'nothing was changed' });
}

function nextRuns({ nextRunAt, cron, timezone, everyMs }: Schedule): string[] {
  if (nextRunAt === null) return [];
  const first = Date.parse(nextRunAt);
  const later =
    cron === null
      ? Array.from({ length: NEXT_RUNS - 1 }, (_, n) => first + (n + 1) * (everyMs ?? 0))
      : [...timesAfter({ cron, timezone }, first, NEXT_RUNS - 1)];
  return [first, ...later].map((ms) => new Date(ms).toISOString());
}

function lastTask({ id, state, startedAt, finishedAt, error }: Task): ScheduleDetails['lastTask'] {
  return { id, state, startedAt, finishedAt, error };
}
