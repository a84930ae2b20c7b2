import { JobScheduler } from 'bullmq';
import type { Redis } from 'ioredis';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import type { Schedule, ScheduleFailure, ScheduleTimes } from '../../domain/schedule.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { nextTime } from '../schedule-times.ts';
import { type StoredSchedule, storedSchedule, taskIdOf } from '../stored-schedule.ts';
import { TaskControl } from '../task-control.ts';
import { readField } from '../task-fields.ts';
import type { TaskSigner } from '../task-signer.ts';
import { storedTask } from './task-producer.ts';

/** So many schedules are enough for a small team, and looked through within a second. */
export const MOST_SCHEDULES = 1_000;
/** A cron line whose next times all have an ended task is given up after so many of them: somebody has cancelled years. */
const MOST_TAKEN = 1_000;
/** What is kept of why a schedule can't be mended, characters. */
const REASON_LENGTH = 500;

/**
 * Tasks that are queued again and again, on BullMQ's job schedulers: there is always one next task of a schedule, delayed
 * until it is due, and the one after it comes when that is claimed. So a mesh that was down runs once what it missed.
 */
export class Schedules {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #schedulers = new Map<string, JobScheduler>();
  readonly #signer: TaskSigner | undefined;
  /** When a cron line's next task is due (ms), by the options that BullMQ asks with. */
  readonly #nextTimes = new WeakMap<object, number>();

  constructor(redis: Redis, keys: MeshKeys, signer?: TaskSigner) {
    this.#redis = redis;
    this.#keys = keys;
    this.#signer = signer;
  }

  /** Adds a schedule. @throws ClawmeshError `failed` where there is one of that name, or too many. */
  async add(name: string, times: ScheduleTimes, task: NewTask): Promise<Schedule> {
    const { priority, pool } = task;
    const spec = storedTask(task);
    const signed = this.#signer?.signed(spec, pool, { schedule: name }) ?? spec;
    if ((await this.#redis.hlen(this.#keys.schedules)) >= MOST_SCHEDULES) {
      throw new ClawmeshError('failed', `there are ${MOST_SCHEDULES} schedules already`, {
        remedy: 'first: clawmesh schedule remove one that is not needed any more',
      });
    }
    const stored: StoredSchedule = { ...times, pool, priority, paused: false, task: signed };
    if (!(await this.#redis.hsetnx(this.#keys.schedules, name, JSON.stringify(stored)))) {
      throw new ClawmeshError('failed', `there is a schedule ${name} already`, {
        remedy: `first: clawmesh schedule remove ${name}`,
      });
    }
    await this.#redis.sadd(this.#keys.pools, pool);
    await this.#clearWay(name, stored);
    await this.#arm(name, stored);
    return this.find(name);
  }

  async list(): Promise<Schedule[]> {
    const entries = [...(await this.#all())];
    const schedules = await Promise.all(entries.map(([name, stored]) => this.#view(name, stored)));
    return schedules.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** @throws ClawmeshError `not-found`. */
  async find(name: string): Promise<Schedule> {
    return this.#view(name, await this.#existing(name));
  }

  /** Removes a schedule, also one that can't be read, and its next task. @throws ClawmeshError `not-found`. */
  async remove(name: string): Promise<void> {
    if ((await this.#redis.hdel(this.#keys.schedules, name)) === 0) throw noSchedule(name);
    await this.#redis.hdel(this.#keys.scheduleFailures, name);
    const armed = (await this.#armed()).filter((one) => one.name === name);
    for (const { pool } of armed) await this.#scheduler(pool).removeJobScheduler(name);
  }

  /** Lets a schedule rest, or go on. @throws ClawmeshError `not-found`. */
  async setPaused(name: string, paused: boolean): Promise<void> {
    const stored = { ...(await this.#existing(name)), paused };
    await this.#redis.hset(this.#keys.schedules, name, JSON.stringify(stored));
    if (paused) await this.#scheduler(stored.pool).removeJobScheduler(name);
    else await this.#arm(name, stored);
  }

  /** One of a schedule's tasks has been claimed: the next one is queued, unless it is already. */
  async advance(name: string, taskId: string): Promise<void> {
    const stored = readField(storedSchedule, await this.#redis.hget(this.#keys.schedules, name));
    if (stored && !stored.paused) await this.#next(name, stored, taskId);
  }

  /**
   * Mends schedules whose next task was cancelled or removed, or whose node died before it queued the next one. Each for
   * itself: what is wrong with one is kept for `status`, and answered.
   */
  async mend(): Promise<ScheduleFailure[]> {
    // Read before the schedules: whatever is armed now and is no schedule then has been removed or paused meanwhile.
    const armed = await this.#armed();
    const texts = await this.#redis.hgetall(this.#keys.schedules);
    const known = await this.#redis.hgetall(this.#keys.scheduleFailures);
    const failures: ScheduleFailure[] = [];
    const attempt = async (name: string, work: () => Promise<void>) => {
      try {
        await work();
        if (known[name] !== undefined) await this.#redis.hdel(this.#keys.scheduleFailures, name);
      } catch (error) {
        const reason = messageOf(error).slice(0, REASON_LENGTH);
        failures.push({ name, reason });
        if (known[name] !== reason) await this.#redis.hset(this.#keys.scheduleFailures, name, reason);
      }
    };
    for (const [name, text] of Object.entries(texts)) {
      await attempt(name, async () => {
        const stored = readField(storedSchedule, text);
        if (!stored) throw new Error('what is stored of it can not be read; a newer clawmesh may have written it');
        if (!stored.paused) await this.#mendOne(name, stored);
      });
    }
    for (const { name, pool } of armed) {
      const text = texts[name];
      const stored = readField(storedSchedule, text);
      const wanted = stored ? !stored.paused && stored.pool === pool : text !== undefined;
      if (!wanted) await attempt(name, async () => void (await this.#scheduler(pool).removeJobScheduler(name)));
    }
    const gone = Object.keys(known).filter((name) => texts[name] === undefined);
    if (gone.length > 0) await this.#redis.hdel(this.#keys.scheduleFailures, ...gone);
    return failures;
  }

  async #mendOne(name: string, stored: StoredSchedule): Promise<void> {
    const due = await this.#dueAt(name, stored.pool);
    if (due === null) return this.#arm(name, stored);
    if (!(await this.#isOver(stored.pool, name, due))) return;
    if (await this.#next(name, stored, taskIdOf(name, due))) return;
    // Another node was faster; or the time after an interval has its task already, and BullMQ looks for a later one.
    if ((await this.#dueAt(name, stored.pool)) === due) await this.#arm(name, stored);
  }

  /** Whether the task that was due then is no longer to come: it is gone, has ended or has begun. */
  async #isOver(pool: string, name: string, due: number): Promise<boolean> {
    const task = this.#keys.task(pool, taskIdOf(name, due));
    const [exists, started, ended] = await this.#redis.hmget(task, 'timestamp', 'processedOn', 'finishedOn');
    return exists === null || typeof started === 'string' || typeof ended === 'string';
  }

  async close(): Promise<void> {
    await Promise.all([...this.#schedulers.values()].map((scheduler) => scheduler.close()));
  }

  async #arm(name: string, stored: StoredSchedule): Promise<void> {
    await this.#upsert(name, stored, { override: true });
  }

  /** Queues the task after that one; false where that one is not the schedule's last, or nothing came of it. */
  async #next(name: string, stored: StoredSchedule, taskId: string): Promise<boolean> {
    return this.#upsert(name, stored, { override: false, producerId: taskId });
  }

  async #upsert(name: string, stored: StoredSchedule, how: { override: boolean; producerId?: string }) {
    const { pool, cron, timezone = null, everyMs, task, priority } = stored;
    const repeat = cron === undefined ? { every: everyMs ?? 0 } : { pattern: cron, ...(timezone && { tz: timezone }) };
    if (cron !== undefined) {
      const last = Number(how.producerId?.split(':').at(-1) ?? 0);
      this.#nextTimes.set(repeat, await this.#freeTime(name, stored, { cron, timezone }, last));
    }
    const options = { attempts: task.attempts, ...(priority > 0 && { priority }) };
    const job = await this.#scheduler(pool).upsertJobScheduler(name, repeat, 'task', task, options, how);
    return job !== undefined;
  }

  /**
   * The first time of a cron line, after `last` (ms) and to come, that has no task yet, or the schedule's own that waits for
   * it: a run that was cancelled stays cancelled, and BullMQ refuses a time that has one.
   */
  async #freeTime(
    name: string,
    { pool }: StoredSchedule,
    times: { cron: string; timezone: string | null },
    last: number,
  ): Promise<number> {
    const due = await this.#dueAt(name, pool);
    if (due !== null && due > last && !(await this.#isOver(pool, name, due))) return due;
    const pools = await this.#redis.smembers(this.#keys.pools);
    let time = Math.max(await redisTime(this.#redis), last);
    for (let n = 0; n < MOST_TAKEN; n++) {
      time = nextTime(times, time);
      const tasks = pools.map((each) => this.#keys.task(each, taskIdOf(name, time)));
      if (tasks.length === 0 || (await this.#redis.exists(...tasks)) === 0) return time;
    }
    throw new ClawmeshError('failed', `the next ${MOST_TAKEN} runs of schedule ${name} have been cancelled`, {
      remedy: `remove those tasks: clawmesh task remove repeat:${name}:<time>`,
    });
  }

  /** A new schedule takes the place of a former one of its name: cancelled runs of that do not stand in its way. */
  async #clearWay(name: string, { pool: own, cron, timezone = null }: StoredSchedule): Promise<void> {
    await this.#scheduler(own).removeJobScheduler(name);
    if (cron === undefined) return;
    const pools = await this.#redis.smembers(this.#keys.pools);
    let time = await redisTime(this.#redis);
    for (let cleared = 1, n = 0; cleared > 0 && n < MOST_TAKEN; n++) {
      time = nextTime({ cron, timezone }, time);
      cleared = 0;
      for (const pool of pools) {
        const id = taskIdOf(name, time);
        if ((await this.#redis.hexists(this.#keys.task(pool, id), 'finishedOn')) === 0) continue;
        await new TaskControl(this.#redis, this.#keys).remove({ id, pool });
        cleared++;
      }
    }
  }

  #scheduler(pool: string): JobScheduler {
    let scheduler = this.#schedulers.get(pool);
    if (!scheduler) {
      scheduler = new JobScheduler(pool, {
        connection: this.#redis as never,
        prefix: this.#keys.bullPrefix,
        settings: {
          // Reckoned before the call, in Redis time: a Mac with a wrong clock must not skip or repeat a run.
          repeatStrategy: (_millis: number, repeat: object) => this.#nextTimes.get(repeat),
        },
      });
      // Failed commands reject where they were called.
      scheduler.on('error', () => {});
      this.#schedulers.set(pool, scheduler);
    }
    return scheduler;
  }

  async #all(): Promise<Map<string, StoredSchedule>> {
    const found = new Map<string, StoredSchedule>();
    for (const [name, text] of Object.entries(await this.#redis.hgetall(this.#keys.schedules))) {
      const stored = readField(storedSchedule, text);
      if (stored) found.set(name, stored);
    }
    return found;
  }

  async #existing(name: string): Promise<StoredSchedule> {
    const stored = readField(storedSchedule, await this.#redis.hget(this.#keys.schedules, name));
    if (stored) return stored;
    throw noSchedule(name);
  }

  async #view(name: string, stored: StoredSchedule): Promise<Schedule> {
    const due = stored.paused ? null : await this.#dueAt(name, stored.pool);
    const { message, agent, model } = stored.task;
    return {
      name,
      pool: stored.pool,
      cron: stored.cron ?? null,
      timezone: stored.timezone ?? null,
      everyMs: stored.everyMs ?? null,
      paused: stored.paused,
      nextRunAt: due === null ? null : new Date(due).toISOString(),
      task: { message, agent, model },
    };
  }

  /** What BullMQ has armed, in any pool that can be read; in another one, mending its schedules tells why not. */
  async #armed(): Promise<{ name: string; pool: string }[]> {
    const found: { name: string; pool: string }[] = [];
    for (const pool of await this.#redis.smembers(this.#keys.pools)) {
      const names = await this.#redis.zrange(this.#keys.pool(pool, 'repeat'), 0, '-1').catch((error: Error) => {
        if (!error.message.startsWith('WRONGTYPE')) throw error;
        return [];
      });
      found.push(...names.map((name) => ({ name, pool })));
    }
    return found;
  }

  async #dueAt(name: string, pool: string): Promise<number | null> {
    const score = await this.#redis.zscore(this.#keys.pool(pool, 'repeat'), name);
    return score === null ? null : Number(score);
  }
}

function noSchedule(name: string): ClawmeshError {
  return new ClawmeshError('not-found', `no schedule ${name}`, { remedy: 'see clawmesh schedule list' });
}
