import type { Redis } from 'ioredis';
import * as z from 'zod';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { POOL_NAME, POOL_NAME_HINT } from '../../domain/names.ts';
import type { Schedule, ScheduleFailure, ScheduleTimes } from '../../domain/schedule.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { checkTimes, timesAfter } from '../schedule-times.ts';
import type { TaskSigner } from '../task-signer.ts';
import { ForeignSchedulers } from './foreign-schedulers.ts';
import { scripts } from './scripts.ts';
import { type StoredSchedule, storedSchedule, taskIdOf } from './stored-schedule.ts';
import { TaskControl } from './task-control.ts';
import { readField } from './task-fields.ts';
import { storedTask } from './task-producer.ts';

/**
 * A cron line whose next times all have an ended task is given up after so many of them: somebody has cancelled years.
 */
const MOST_TAKEN = 1_000;
/** What is kept of why a schedule can't be mended, characters. */
const REASON_LENGTH = 500;
/** So many schedules are enough for a small team, and looked through within a second. */
export const MOST_SCHEDULES = 1_000;
/** Task ids read per request while looking for a schedule's, and removed per script. */
const PAGE = 1_000;

const armed = z.enum(['armed', 'changed', 'other-next', 'too-many', 'foreign', 'taken']);

/** What the caller has seen in Redis, with which the next task of a schedule is queued. */
interface Seen {
  /** The schedule as it was read (JSON); '' where there must be none. */
  readonly text: string;
  /** When the task was due that was its next one, as Redis has it (ms); '' where there must be none. */
  readonly due: string;
}

/** A job scheduler of BullMQ's that has a next task. */
interface Armed {
  readonly name: string;
  readonly pool: string;
}

/**
 * Tasks that are queued again and again, on BullMQ's job schedulers: there is always one next task of a schedule,
 * delayed
 * until it is due, and the one after it comes when that is claimed. So a mesh that was down runs once what it missed.
 *
 * Nothing is stored of a schedule but together with its next task, and each change is one atomic step that holds only
 * for
 * the schedule that was read: one that was removed or paused meanwhile queues nothing any more.
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
   * @throws ClawmeshError `usage` for a name, times or a task that can't be; `failed` where there is one of that name,
   * or too
   *   many. Nothing is stored then.
   */
  async add(name: string, times: ScheduleTimes, task: NewTask): Promise<Schedule> {
    if (!POOL_NAME.test(name)) {
      throw new ClawmeshError('usage', 'no name for a schedule', { remedy: POOL_NAME_HINT.replace('a pool', 'as a') });
    }
    checkTimes(times, await redisTime(this.#redis));
    if (task.after) throw new ClawmeshError('usage', 'message: a schedule can not quote the result of one task');
    const { priority, pool } = task;
    const spec = storedTask(task);
    const signed = this.#signer?.signed(spec, pool, { schedule: name }) ?? spec;
    const stored: StoredSchedule = { ...times, pool, priority, paused: false, task: signed };
    if ((await this.#read(name)) === '') {
      await this.#clearWay(name, stored);
      if (await this.#arm(name, stored, { text: '', due: '' })) return this.find(name);
    }
    throw new ClawmeshError('failed', `there is a schedule ${name} already`, {
      remedy: `first: clawmesh schedule remove ${name}`,
    });
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
   * Removes a schedule, also one that can't be read, and its tasks that no node has begun.
   *
   * @throws ClawmeshError `not-found`.
   */
  async remove(name: string): Promise<void> {
    for (let done = false; !done; ) {
      const text = await this.#read(name);
      if (text === '') throw noSchedule(name);
      done = await this.#drop(name, text, '');
    }
    await this.#removeUnbegun(name);
  }

  /** Lets a schedule rest, of whose tasks none starts any more then, or go on. @throws ClawmeshError `not-found`. */
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
    if (paused) await this.#removeUnbegun(name);
  }

  /** A schedule's task of this pool has been claimed: the next one is queued, unless it is already. */
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
   * for
   * itself: what is wrong with one is kept for `status`, and answered.
   */
  async mend(): Promise<ScheduleFailure[]> {
    // Read before the schedules: whatever is armed now and is no schedule then has been removed or paused meanwhile.
    const armed = await this.#armed();
    const texts = await this.#redis.hgetall(this.#keys.schedules);
    const known = await this.#redis.hgetall(this.#keys.scheduleFailures);
    const failures: ScheduleFailure[] = [];
    const attempt = async (name: string, work: () => Promise<unknown>) => {
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

  /** Whether the task that was due then is no longer to come: it is gone, has ended or has begun. */
  async #isOver(pool: string, name: string, due: string): Promise<boolean> {
    const task = this.#keys.task(pool, taskIdOf(name, due));
    const [exists, ...begun] = await this.#redis.hmget(task, 'timestamp', 'processedOn', 'cm:history', 'finishedOn');
    return exists === null || begun.some((field) => field !== null);
  }

  /** Queues the next task. Answers false where the schedule or its next task is not what was seen. */
  async #arm(name: string, stored: StoredSchedule, seen: Seen): Promise<boolean> {
    const { pool, cron, timezone, everyMs, task, priority } = stored;
    const next = cron === undefined ? '' : await this.#freeTime(name, cron, stored, Number(seen.due));
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
    ]);
    const answer = armed.parse(reply);
    if (answer === 'armed') return true;
    if (answer === 'changed' || answer === 'other-next') return false;
    throw NOT_ARMED[answer](name, pool);
  }

  /**
   * The first time of a cron line, after `last` (ms) and to come, that has no task yet, in any pool: a run that was
   * cancelled
   * stays cancelled, and BullMQ refuses a time that has one.
   */
  async #freeTime(name: string, cron: string, { timezone = null }: StoredSchedule, last: number): Promise<number> {
    const pools = await this.#redis.smembers(this.#keys.pools);
    const from = Math.max(await redisTime(this.#redis), last);
    for (const time of timesAfter({ cron, timezone }, from, MOST_TAKEN)) {
      const tasks = pools.map((each) => this.#keys.task(each, taskIdOf(name, time)));
      if (tasks.length === 0 || (await this.#redis.exists(...tasks)) === 0) return time;
    }
    throw new ClawmeshError(
      'failed',
      `the next ${MOST_TAKEN} runs of schedule ${name} have been cancelled, or never come`,
      {
        remedy: `remove those tasks: clawmesh task remove repeat:${name}:<time>`,
      },
    );
  }

  /** A new schedule takes the place of a former one of its name: cancelled runs of that do not stand in its way. */
  async #clearWay(name: string, { cron, timezone = null }: StoredSchedule): Promise<void> {
    if (cron === undefined) return;
    const pools = await this.#redis.smembers(this.#keys.pools);
    for (const time of timesAfter({ cron, timezone }, await redisTime(this.#redis), MOST_TAKEN)) {
      let cleared = 0;
      for (const pool of pools) {
        const id = taskIdOf(name, time);
        if ((await this.#redis.hexists(this.#keys.task(pool, id), 'finishedOn')) === 0) continue;
        await new TaskControl(this.#redis, this.#keys).remove({ id, pool });
        cleared++;
      }
      if (cleared === 0) return;
    }
  }

  /** Changes what is stored, and takes the next task away. Answers false where the schedule is not what was read. */
  async #drop(name: string, read: string, store: string, pool = ''): Promise<boolean> {
    return (await scripts.dropSchedule.run(this.#redis, this.#keys, [name, read, store, pool])) === 1;
  }

  /** Tasks that were due, and that no node has begun: those of an outage may be many. */
  async #removeUnbegun(name: string): Promise<void> {
    const isOfIt = (id: string) => id.startsWith(`repeat:${name}:`) && /^\d+$/.test(id.slice(`repeat:${name}:`.length));
    for (const pool of await this.#redis.smembers(this.#keys.pools)) {
      const found = new Set<string>();
      for (const state of ['wait', 'prioritized', 'delayed']) {
        const key = this.#keys.pool(pool, state);
        for (let first = 0, more = true; more; first += PAGE) {
          const last = first + PAGE - 1;
          const ids = await readableIds(
            state === 'wait'
              ? this.#redis.lrange(key, first, last)
              : this.#redis.zrange(key, String(first), String(last)),
          );
          for (const id of ids.filter(isOfIt)) found.add(id);
          more = ids.length === PAGE;
        }
      }
      const ids = [...found];
      for (let first = 0; first < ids.length; first += PAGE) {
        const some = ids.slice(first, first + PAGE);
        await scripts.removeUnbegun.run(this.#redis, this.#keys, [pool, ...some]);
      }
    }
  }

  /** What is stored (JSON); '' where there is none. */
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

  /** What BullMQ has armed, in any pool that can be read; in another one, mending its schedules tells why not. */
  async #armed(): Promise<Armed[]> {
    const found: Armed[] = [];
    for (const pool of await this.#redis.smembers(this.#keys.pools)) {
      const names = await readableIds(this.#redis.zrange(this.#keys.pool(pool, 'repeat'), 0, '-1'));
      found.push(...names.map((name) => ({ name, pool })));
    }
    return found;
  }

  /** Whether the job scheduler of this name in BullMQ is one of clawmesh, or has lost what it is made of. */
  async #isOurs(pool: string, name: string): Promise<boolean> {
    const scheduler = this.#keys.pool(pool, `repeat:${name}`);
    return (await this.#redis.hexists(scheduler, 'cm')) === 1 || (await this.#redis.exists(scheduler)) === 0;
  }

  /** When the schedule's next task is due, as Redis has it (ms); '' where there is none. */
  async #due(name: string, pool: string): Promise<string> {
    return (await this.#redis.zscore(this.#keys.pool(pool, 'repeat'), name)) ?? '';
  }
}

/** The ids that Redis answers; none where what stands there is mangled. */
async function readableIds(ids: Promise<string[]>): Promise<string[]> {
  return ids.catch((error: Error) => {
    if (!error.message.startsWith('WRONGTYPE')) throw error;
    return [];
  });
}

function noSchedule(name: string): ClawmeshError {
  return new ClawmeshError('not-found', `no schedule ${name}`, { remedy: 'see clawmesh schedule list' });
}

/** Why a schedule can't have its next task. */
const NOT_ARMED = {
  'too-many': () =>
    new ClawmeshError('failed', `there are ${MOST_SCHEDULES} schedules already`, {
      remedy: 'first: clawmesh schedule remove one that is not needed any more',
    }),
  foreign: (name: string, pool: string) =>
    new ClawmeshError('failed', `another program has a BullMQ job scheduler ${name} in pool ${pool}`, {
      remedy: 'take another name, or remove it with BullMQ',
    }),
  taken: (name: string, pool: string) =>
    new ClawmeshError('failed', `pool ${pool} has tasks at the next times of schedule ${name}`),
};
