import { JobScheduler } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { ClawmeshError } from '../../domain/errors.ts';
import type { Schedule, ScheduleTimes } from '../../domain/schedule.ts';
import type { NewTask } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { redisTime } from '../../redis/time.ts';
import { nextTime } from '../schedule-times.ts';
import { readField, storedSpec } from '../task-fields.ts';
import type { TaskSigner } from '../task-signer.ts';
import { storedTask } from './task-producer.ts';

/** What is stored of a schedule; BullMQ's scheduler is made from it, and made again if it gets lost. */
const storedSchedule = z.object({
  pool: z.string(),
  cron: z.string().optional(),
  timezone: z.string().nullable().optional(),
  everyMs: z.number().optional(),
  priority: z.number(),
  paused: z.boolean(),
  task: storedSpec,
});
type StoredSchedule = z.infer<typeof storedSchedule>;

/**
 * Tasks that are queued again and again, on BullMQ's job schedulers: there is always one next task of a schedule, delayed
 * until it is due, and the one after it comes when that is claimed. So a mesh that was down runs once what it missed.
 */
export class Schedules {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #schedulers = new Map<string, JobScheduler>();
  readonly #signer: TaskSigner | undefined;
  #clockOffset = 0;

  constructor(redis: Redis, keys: MeshKeys, signer?: TaskSigner) {
    this.#redis = redis;
    this.#keys = keys;
    this.#signer = signer;
  }

  /** Adds a schedule. @throws ClawmeshError `failed` where there is one of that name. */
  async add(name: string, times: ScheduleTimes, task: NewTask): Promise<Schedule> {
    const { priority, pool } = task;
    const spec = storedTask(task);
    const signed = this.#signer?.signed(spec, pool, { schedule: name }) ?? spec;
    const stored: StoredSchedule = { ...times, pool, priority, paused: false, task: signed };
    if (!(await this.#redis.hsetnx(this.#keys.schedules, name, JSON.stringify(stored)))) {
      throw new ClawmeshError('failed', `there is a schedule ${name} already`, {
        remedy: `first: clawmesh schedule remove ${name}`,
      });
    }
    await this.#redis.sadd(this.#keys.pools, pool);
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

  /** Removes a schedule, and its next task. @throws ClawmeshError `not-found`. */
  async remove(name: string): Promise<void> {
    const { pool } = await this.#existing(name);
    await this.#redis.hdel(this.#keys.schedules, name);
    await this.#scheduler(pool).removeJobScheduler(name);
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

  /** Mends schedules whose next task was cancelled or removed, or whose node died before it queued the next one. */
  async mend(): Promise<void> {
    for (const [name, stored] of await this.#all()) {
      if (stored.paused) continue;
      const due = await this.#dueAt(name, stored.pool);
      if (due === null) {
        await this.#arm(name, stored);
        continue;
      }
      const taskId = `repeat:${name}:${due}`;
      const [exists, ended] = await this.#redis.hmget(this.#keys.task(stored.pool, taskId), 'timestamp', 'finishedOn');
      if (exists === null || ended !== null) await this.#next(name, stored, taskId);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#schedulers.values()].map((scheduler) => scheduler.close()));
  }

  async #arm(name: string, stored: StoredSchedule): Promise<void> {
    await this.#upsert(name, stored, { override: true });
  }

  async #next(name: string, stored: StoredSchedule, taskId: string): Promise<void> {
    await this.#upsert(name, stored, { override: false, producerId: taskId });
  }

  async #upsert(name: string, stored: StoredSchedule, how: { override: boolean; producerId?: string }): Promise<void> {
    const { pool, cron, timezone, everyMs, task, priority } = stored;
    this.#clockOffset = (await redisTime(this.#redis)) - Date.now();
    const repeat = cron === undefined ? { every: everyMs ?? 0 } : { pattern: cron, ...(timezone && { tz: timezone }) };
    const prevMillis = Number(how.producerId?.split(':').at(-1) ?? 0);
    const options = { attempts: task.attempts, prevMillis, ...(priority > 0 && { priority }) };
    await this.#scheduler(pool).upsertJobScheduler(name, repeat, 'task', task, options, how);
  }

  #scheduler(pool: string): JobScheduler {
    let scheduler = this.#schedulers.get(pool);
    if (!scheduler) {
      scheduler = new JobScheduler(pool, {
        connection: this.#redis as never,
        prefix: this.#keys.bullPrefix,
        settings: {
          // A Mac with a wrong clock must not skip or repeat a run. A time yet to come is that of the run before.
          repeatStrategy: (millis: number, { pattern, tz }: { pattern?: string; tz?: string }) =>
            nextTime(
              { cron: pattern ?? '', timezone: tz ?? null },
              Math.max(Date.now() + this.#clockOffset, millis > Date.now() ? millis : 0),
            ),
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
    throw new ClawmeshError('not-found', `no schedule ${name}`, { remedy: 'see clawmesh schedule list' });
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

  async #dueAt(name: string, pool: string): Promise<number | null> {
    const score = await this.#redis.zscore(this.#keys.pool(pool, 'repeat'), name);
    return score === null ? null : Number(score);
  }
}
