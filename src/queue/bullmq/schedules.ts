import type { Redis } from 'ioredis';
import * as z from 'zod';
import { cutText } from '../../domain/cut-text.ts';
import { boxOf } from '../../domain/delivery.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { POOL_NAME, POOL_NAME_HINT } from '../../domain/names.ts';
import type { Schedule, ScheduleFailure, ScheduleTimes } from '../../domain/schedule.ts';
import type { NewTask, TaskRef } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { checkTimes } from '../schedule-times.ts';
import type { TaskSigner } from '../task-signer.ts';
import { ForeignSchedulers } from './foreign-schedulers.ts';
import { clearTimes, freeTime } from './free-times.ts';
import { alteredSchedule, changingSchedule, MOST_SCHEDULES, NOT_ARMED, noSchedule } from './schedule-errors.ts';
import { scripts } from './scripts.ts';
import { type StoredSchedule, storedSchedule, taskIdOf } from './stored-schedule.ts';
import { readField } from './task-fields.ts';
import { storedTask } from './task-producer.ts';
import { readableIds, removeUnbegunTasks } from './unbegun-tasks.ts';

/** Maximum length of the stored reason why a schedule can't be mended, characters. */
const REASON_LENGTH = 500;
/** How often to try an update again because the schedule has changed since it was read. */
const MOST_TRIES = 10;

const armed = z.enum(['armed', 'changed', 'other-next', 'too-many', 'foreign', 'taken']);

/** The caller's view of Redis, which must still be true when the next task of a schedule is queued. */
interface Seen {
  /** The schedule as it was read (JSON); '' if there must be none. */
  readonly text: string;
  /** The due time of the schedule's latest task, as stored in Redis (ms); '' if there must be none. */
  readonly due: string;
  /** The schedule whose next task is replaced, with the due time of the new one (ms); none if absent. */
  readonly replaced?: { readonly pool: string; readonly dueAt: number };
}

/** When a schedule queues its task, and which. */
export interface ScheduleContent {
  readonly times: ScheduleTimes;
  readonly task: NewTask;
}

/** A BullMQ job scheduler with a next task. */
interface Armed {
  readonly name: string;
  readonly pool: string;
}

/**
 * Schedules, built on BullMQ's job schedulers. A schedule always has one next task, delayed until it is due. A claim of
 * that task queues the one after it. So a mesh that was down catches up on its missed runs once.
 *
 * A schedule is stored only together with its next task. Each change is one atomic step that succeeds only if the
 * schedule is still as it was read. A schedule that was removed or paused in the meantime queues nothing.
 */
export class Schedules {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #signer: TaskSigner | undefined;
  readonly #foreign: ForeignSchedulers;

  constructor(redis: Redis, keys: MeshKeys, signer?: TaskSigner) {
    this.#redis = redis;
    this.#keys = keys;
    this.#signer = signer;
    this.#foreign = new ForeignSchedulers(redis, keys);
  }

  /**
   * Adds a schedule.
   *
   * @param options `firstAt`: when an interval is due first, ms since the epoch; at once by default
   * @throws ClawmeshError `usage` for an invalid name, time or task; `failed` if a schedule of that name exists, or
   * there are too many. Nothing is stored then.
   */
  async add(
    name: string,
    times: ScheduleTimes,
    task: NewTask,
    options: { readonly firstAt?: number | undefined } = {},
  ): Promise<Schedule> {
    if (!POOL_NAME.test(name)) {
      throw new ClawmeshError('usage', `${JSON.stringify(cutText(name, 80))} is not a valid schedule name`, {
        remedy: POOL_NAME_HINT.replace('a pool name', 'use'),
      });
    }
    const stored = await this.#toStore(name, { times, task });
    if ((await this.#read(name)) === '') {
      await clearTimes(this.#redis, this.#keys, { name, ...stored });
      if (await this.#arm(name, stored, { text: '', due: '' }, options.firstAt)) return this.find(name);
    }
    throw new ClawmeshError('failed', `schedule ${name} already exists`, {
      remedy: `remove it first: clawmesh schedule remove ${name}`,
    });
  }

  /**
   * Changes a schedule. Its past runs stay, and so does the time of its next run unless its times change.
   *
   * @param change returns the new content; called again if the schedule has changed meanwhile
   * @throws ClawmeshError `not-found`; `usage` for invalid times or an invalid task; `failed` if its signature is wrong,
   * or it can't get its next task. Nothing is changed then.
   */
  async update(name: string, change: (stored: StoredSchedule) => ScheduleContent): Promise<Schedule> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const text = await this.#read(name);
      const stored = this.#trusted(name, readField(storedSchedule, text));
      const wanted = { ...(await this.#toStore(name, change(stored))), paused: stored.paused };
      const done = stored.paused
        ? await this.#drop(name, text, JSON.stringify(wanted))
        : await this.#replace(name, { stored, text, wanted });
      if (done) return this.find(name);
    }
    throw changingSchedule(name);
  }

  /** A schedule as it is stored. @throws ClawmeshError `not-found`; `failed` if its signature is wrong. */
  async stored(name: string): Promise<StoredSchedule> {
    return this.#trusted(name, readField(storedSchedule, await this.#read(name)));
  }

  /** The latest task of the schedule that a node has claimed, or that was cancelled; undefined if there was none. */
  async lastTask(name: string): Promise<TaskRef | undefined> {
    const [pool, due] = (await this.#redis.hget(this.#keys.scheduleLast, name))?.split(' ') ?? [];
    return pool === undefined || due === undefined ? undefined : { id: taskIdOf(name, due), pool };
  }

  async list(): Promise<Schedule[]> {
    const texts = Object.entries(await this.#redis.hgetall(this.#keys.schedules));
    const readable = texts.flatMap(([name, text]) => {
      const stored = readField(storedSchedule, text);
      return stored ? [{ name, stored }] : [];
    });
    const schedules = await Promise.all(readable.map(({ name, stored }) => this.#view(name, stored)));
    return schedules.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** @throws ClawmeshError `not-found`. */
  async find(name: string): Promise<Schedule> {
    const stored = readField(storedSchedule, await this.#read(name));
    if (!stored) throw noSchedule(name);
    return this.#view(name, stored);
  }

  /**
   * Removes a schedule, even an unreadable one, and its tasks that no node has started.
   *
   * @throws ClawmeshError `not-found`.
   */
  async remove(name: string): Promise<void> {
    for (let done = false; !done; ) {
      const text = await this.#read(name);
      if (text === '') throw noSchedule(name);
      done = await this.#drop(name, text, '');
    }
    await removeUnbegunTasks(this.#redis, this.#keys, name);
  }

  /** Pauses a schedule, so that none of its tasks starts any more, or resumes it. @throws ClawmeshError `not-found`. */
  async setPaused(name: string, paused: boolean): Promise<void> {
    for (let done = false; !done; ) {
      const text = await this.#read(name);
      const stored = readField(storedSchedule, text);
      if (!stored) throw noSchedule(name);
      const wanted = { ...stored, paused };
      if (paused) done = await this.#drop(name, text, JSON.stringify(wanted));
      else if (stored.paused) done = await this.#arm(name, wanted, { text, due: await this.#due(name, stored.pool) });
      else return;
    }
    if (paused) await removeUnbegunTasks(this.#redis, this.#keys, name);
  }

  /** Queues the next task after a schedule's task of this pool was claimed, unless the next one is already queued. */
  async advance(pool: string, name: string, taskId: string): Promise<void> {
    const text = await this.#read(name);
    const stored = readField(storedSchedule, text);
    if (stored?.pool !== pool) {
      if (!(await this.#isOurs(pool, name))) await this.#foreign.advance(pool, name, taskId);
    } else if (!stored.paused) {
      const due = taskId.split(':').at(-1) ?? '';
      await this.#arm(name, stored, { text, due });
    }
  }

  /**
   * Mends schedules whose next task was cancelled or removed, or whose node died before it queued the next one. Each
   * schedule is handled separately: its problem is stored for `status`, and returned.
   */
  async mend(): Promise<ScheduleFailure[]> {
    // Read this before the schedules: a scheduler that is armed but has no schedule was removed or paused in the
    // meantime.
    const armed = await this.#armed();
    const texts = await this.#redis.hgetall(this.#keys.schedules);
    const known = await this.#redis.hgetall(this.#keys.scheduleFailures);
    const failures: ScheduleFailure[] = [];
    const attempt = async (name: string, work: () => Promise<unknown>) => {
      try {
        await work();
        if (known[name] !== undefined) await this.#redis.hdel(this.#keys.scheduleFailures, name);
      } catch (error) {
        const reason = cutText(messageOf(error), REASON_LENGTH);
        failures.push({ name, reason });
        if (known[name] !== reason) await this.#redis.hset(this.#keys.scheduleFailures, name, reason);
      }
    };
    for (const [name, text] of Object.entries(texts)) {
      await attempt(name, async () => {
        const stored = readField(storedSchedule, text);
        if (!stored) throw new Error('clawmesh cannot read the stored schedule; a newer version may have written it');
        if (!stored.paused) await this.#mendOne(name, text, stored);
      });
    }
    for (const { name, pool } of armed) {
      const text = texts[name];
      const stored = readField(storedSchedule, text);
      const wanted = stored ? !stored.paused && stored.pool === pool : text !== undefined;
      if (wanted) continue;
      await attempt(name, async () => {
        if (!(await this.#isOurs(pool, name))) await this.#foreign.mend(pool, name);
        else await this.#drop(name, text ?? '', text ?? '', pool);
      });
    }
    const gone = Object.keys(known).filter((name) => texts[name] === undefined);
    if (gone.length > 0) await this.#redis.hdel(this.#keys.scheduleFailures, ...gone);
    return failures;
  }

  async close(): Promise<void> {
    await this.#foreign.close();
  }

  async #mendOne(name: string, text: string, stored: StoredSchedule): Promise<void> {
    const due = await this.#due(name, stored.pool);
    if (due === '' || (await this.#isOver(stored.pool, name, due))) await this.#arm(name, stored, { text, due });
  }

  /** Whether the task that was due at this time is no longer pending: it is gone, has ended or has started. */
  async #isOver(pool: string, name: string, due: string): Promise<boolean> {
    const task = this.#keys.task(pool, taskIdOf(name, due));
    const [exists, ...begun] = await this.#redis.hmget(task, 'timestamp', 'processedOn', 'cm:history', 'finishedOn');
    return exists === null || begun.some((field) => field !== null);
  }

  /** Queues the next task. Returns false if the schedule or its next task has changed since it was read. */
  async #arm(name: string, stored: StoredSchedule, seen: Seen, firstAt?: number): Promise<boolean> {
    const { pool, cron, timezone, everyMs, task, priority } = stored;
    const { replaced } = seen;
    const next =
      replaced?.dueAt ??
      (cron === undefined
        ? (firstAt ?? '')
        : await freeTime(this.#redis, this.#keys, { name, ...stored, last: Number(seen.due) }));
    const options = { attempts: task.attempts, ...(priority > 0 && { priority }) };
    const reply = await scripts.armSchedule.run(this.#redis, this.#keys, [
      pool,
      name,
      seen.text,
      JSON.stringify(stored),
      seen.due,
      MOST_SCHEDULES,
      next,
      cron === undefined ? (everyMs ?? '') : '',
      cron ?? '',
      timezone ?? '',
      JSON.stringify(task),
      JSON.stringify(options),
      task.deliver ? boxOf(task.deliver) : '',
      replaced?.pool ?? '',
    ]);
    const answer = armed.parse(reply);
    if (answer === 'armed') return true;
    if (answer === 'changed' || answer === 'other-next') return false;
    throw NOT_ARMED[answer](name, pool);
  }

  /** Replaces the schedule and its next task. Returns false if either has changed since it was read. */
  async #replace(
    name: string,
    { stored, text, wanted }: { stored: StoredSchedule; text: string; wanted: StoredSchedule },
  ): Promise<boolean> {
    const due = await this.#due(name, stored.pool);
    const isOver = due === '' || (await this.#isOver(stored.pool, name, due));
    const dueAt = await this.#nextDue(name, { stored, wanted, due: Number(due), isOver });
    return this.#arm(name, wanted, { text, due, replaced: { pool: stored.pool, dueAt } });
  }

  /** When the next task of a changed schedule is due, ms. `due`: that of its latest task; `isOver`: see #isOver. */
  async #nextDue(
    name: string,
    { stored, wanted, due, isOver }: { stored: StoredSchedule; wanted: StoredSchedule; due: number; isOver: boolean },
  ): Promise<number> {
    const isSame = sameTimes(stored, wanted);
    if (isSame && !isOver) return due;
    if (wanted.everyMs === undefined) {
      const last = isSame || isOver ? due : 0;
      return freeTime(this.#redis, this.#keys, { name, ...wanted, last, except: isOver ? undefined : due });
    }
    const now = await redisTime(this.#redis);
    const lastAt = isOver ? due : due - (stored.everyMs ?? due - now);
    return Math.max(now, lastAt + wanted.everyMs);
  }

  /**
   * Changes the stored schedule, and removes its next task. Returns false if the schedule has changed since it was
   * read.
   */
  async #drop(name: string, read: string, store: string, pool = ''): Promise<boolean> {
    return (await scripts.dropSchedule.run(this.#redis, this.#keys, [name, read, store, pool])) === 1;
  }

  /** @throws ClawmeshError `usage`. */
  async #toStore(name: string, { times, task }: ScheduleContent): Promise<StoredSchedule> {
    checkTimes(times, await redisTime(this.#redis));
    if (task.after) throw new ClawmeshError('usage', 'message: a schedule cannot quote the result of a task');
    const { priority, pool } = task;
    const spec = storedTask(task);
    const signed = this.#signer?.signed(spec, pool, { schedule: name }) ?? spec;
    return { ...times, pool, priority, paused: false, task: signed };
  }

  /** The schedule, if its signature is right: otherwise what another program wrote would be signed. */
  #trusted(name: string, stored: StoredSchedule | undefined): StoredSchedule {
    if (!stored) throw noSchedule(name);
    const problem = this.#signer?.problem(stored.task, stored.pool, taskIdOf(name, 0));
    if (problem !== undefined) throw alteredSchedule(name, problem);
    return stored;
  }

  /** The stored schedule (JSON); '' if there is none. */
  async #read(name: string): Promise<string> {
    return (await this.#redis.hget(this.#keys.schedules, name)) ?? '';
  }

  async #view(name: string, stored: StoredSchedule): Promise<Schedule> {
    const due = stored.paused ? '' : await this.#due(name, stored.pool);
    const { message, agent, model } = stored.task;
    return {
      name,
      pool: stored.pool,
      cron: stored.cron ?? null,
      timezone: stored.timezone ?? null,
      everyMs: stored.everyMs ?? null,
      paused: stored.paused,
      nextRunAt: due === '' ? null : new Date(Number(due)).toISOString(),
      task: { message, agent, model },
    };
  }

  /**
   * The armed schedulers of BullMQ in all readable pools. For an unreadable pool, mending its schedules reports the
   * reason.
   */
  async #armed(): Promise<Armed[]> {
    const found: Armed[] = [];
    for (const pool of await this.#redis.smembers(this.#keys.pools)) {
      const names = await readableIds(this.#redis.zrange(this.#keys.pool(pool, 'repeat'), 0, '-1'));
      found.push(...names.map((name) => ({ name, pool })));
    }
    return found;
  }

  /** Whether the BullMQ job scheduler of this name belongs to clawmesh, or has lost its data. */
  async #isOurs(pool: string, name: string): Promise<boolean> {
    const scheduler = this.#keys.pool(pool, `repeat:${name}`);
    return (await this.#redis.hexists(scheduler, 'cm')) === 1 || (await this.#redis.exists(scheduler)) === 0;
  }

  /** When the schedule's next task is due, as stored in Redis (ms); '' if there is none. */
  async #due(name: string, pool: string): Promise<string> {
    return (await this.#redis.zscore(this.#keys.pool(pool, 'repeat'), name)) ?? '';
  }
}

function sameTimes(a: StoredSchedule, b: StoredSchedule): boolean {
  return a.cron === b.cron && (a.timezone ?? null) === (b.timezone ?? null) && a.everyMs === b.everyMs;
}
