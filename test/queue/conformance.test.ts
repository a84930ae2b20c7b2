import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newTaskId } from '../../src/domain/ids.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { taskError } from '../../src/domain/task.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { makeDue, meshPerTest, newTask, type TestMesh } from '../support/pool.ts';

/** The BullMQ to compare with: the one that is pinned, or the one in the folder that the environment names. */
const require = createRequire(`${process.env.CLAWMESH_TEST_BULLMQ ?? import.meta.dirname}/`);
const { Queue, UnrecoverableError, Worker } = require('bullmq') as typeof import('bullmq');

const optionsOf = ({ redis, keys }: TestMesh) => ({ connection: redis, prefix: keys.bullPrefix });
const openQueue = (mesh: TestMesh, pool: string) => new Queue(pool, optionsOf(mesh));
const openWorker = (mesh: TestMesh, pool: string) => {
  const worker = new Worker(pool, null, {
    ...optionsOf(mesh),
    name: 'mac-1',
    autorun: false,
    lockDuration: 600_000,
  });
  worker.on('error', () => {});
  return worker;
};
type BullQueue = ReturnType<typeof openQueue>;
type BullWorker = ReturnType<typeof openWorker>;

/** What a client does to a queue; tasks are named by the order in which they were queued. */
type Step =
  | { do: 'add'; tasks: Partial<NewTask>[] }
  | { do: 'claim' | 'complete' | 'fail' | 'fail for good' | 'due' | 'pause' | 'resume' }
  | { do: 'remove'; task: number }
  | { do: 'concurrency'; most: number }
  | { do: 'rate'; most: number };

/** One side of the comparison: the same steps on a pool of its own. */
interface Side {
  readonly pool: string;
  take(step: Step): Promise<void>;
}

const ids = new Map<string, string[]>();
const idsOf = (pool: string): string[] => {
  const known = ids.get(pool) ?? [];
  ids.set(pool, known);
  return known;
};

/** clawmesh's own ports. */
class Ours implements Side {
  readonly pool = 'ours';
  readonly #mesh: TestMesh;
  readonly #queue: BullQueue;
  readonly #node: PoolConsumer;
  readonly #claims: Awaited<ReturnType<PoolConsumer['claim']>>[] = [];

  constructor(mesh: TestMesh, queue: BullQueue, node: PoolConsumer) {
    this.#mesh = mesh;
    this.#queue = queue;
    this.#node = node;
  }

  async take(step: Step): Promise<void> {
    const { redis, keys, producer, control } = this.#mesh;
    if (step.do === 'add') {
      const tasks = step.tasks.map((fields) => newTask({ ...fields, pool: this.pool, id: newTaskId() }));
      idsOf(this.pool).push(...tasks.map(({ id = '' }) => id));
      await producer.enqueue(tasks);
    } else if (step.do === 'claim') {
      const claim = await this.#node.claim();
      if (claim) this.#claims.push(claim);
    } else if (step.do === 'complete' || step.do === 'fail' || step.do === 'fail for good') {
      const claim = this.#claims.shift();
      if (!claim) throw new Error('there is no claim');
      const result = { text: 'done', usage: null, model: null, runId: null, durationMs: 5 };
      const error = { ...taskError(step.do === 'fail' ? 'crash' : 'invalid', 'broken'), message: 'broken' };
      await this.#node.report(claim, step.do === 'complete' ? { ok: true, result } : { ok: false, error });
    } else if (step.do === 'remove') {
      await control.remove({ id: idsOf(this.pool)[step.task] ?? '', pool: this.pool });
    } else if (step.do === 'pause' || step.do === 'resume') {
      await setPoolPaused(redis, keys, this.pool, step.do === 'pause');
    } else await foreign(step, this.#mesh, this.#queue, this.pool);
  }
}

/** BullMQ's Queue, Job and Worker. */
class Theirs implements Side {
  readonly pool = 'theirs';
  readonly #mesh: TestMesh;
  readonly #queue: BullQueue;
  readonly #worker: BullWorker;
  readonly #jobs: { job: NonNullable<Awaited<ReturnType<BullWorker['getNextJob']>>>; token: string }[] = [];
  #tokens = 0;

  constructor(mesh: TestMesh, queue: BullQueue, worker: BullWorker) {
    this.#mesh = mesh;
    this.#queue = queue;
    this.#worker = worker;
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'add') {
      const tasks = step.tasks.map((fields) => newTask({ ...fields, id: newTaskId() }));
      idsOf(this.pool).push(...tasks.map(({ id = '' }) => id));
      const jobs = tasks.map(({ id = '', message, priority, delayMs, attempts }) => ({
        name: 'task',
        data: { v: 1, message, attempts, tags: {} },
        opts: {
          jobId: id,
          attempts,
          ...(priority > 0 && { priority }),
          ...(delayMs > 0 && { delay: delayMs }),
          backoff: { type: 'fixed' as const, delay: 60_000 },
        },
      }));
      await this.#queue.addBulk(jobs);
    } else if (step.do === 'claim') {
      const token = `t${++this.#tokens}`;
      const job = await this.#worker.getNextJob(token, { block: false });
      if (job) this.#jobs.push({ job, token });
    } else if (step.do === 'complete' || step.do === 'fail' || step.do === 'fail for good') {
      const next = this.#jobs.shift();
      if (!next) throw new Error('there is no job');
      const { job, token } = next;
      if (step.do === 'complete') await job.moveToCompleted('done', token, false);
      else {
        const error = step.do === 'fail' ? new Error('broken') : new UnrecoverableError('broken');
        await job.moveToFailed(error, token, false);
      }
    } else if (step.do === 'remove') {
      const job = await this.#queue.getJob(idsOf(this.pool)[step.task] ?? '');
      await job?.remove();
    } else if (step.do === 'pause') await this.#queue.pause();
    else if (step.do === 'resume') await this.#queue.resume();
    else await foreign(step, this.#mesh, this.#queue, this.pool);
  }
}

/** What clawmesh has no word for, and what no client does: on both sides the same. */
async function foreign(step: Step, mesh: TestMesh, queue: BullQueue, pool: string): Promise<void> {
  if (step.do === 'due') await makeDue(mesh, pool);
  if (step.do === 'concurrency') await queue.setGlobalConcurrency(step.most);
  if (step.do === 'rate') await queue.setGlobalRateLimit(step.most, 600_000);
}

/** Fields whose value is a time, or names who did it. */
const PRESENT = ['timestamp', 'processedOn', 'finishedOn', 'pb'];
/** What clawmesh does not keep of attempts that are over: it stands in the task's own history. */
const OF_FAILURES = ['failedReason'];
const OF_RUNS = ['processedOn', 'pb'];

/** What stands in Redis of a pool, with its tasks called by their numbers. */
async function standing({ redis, keys }: TestMesh, pool: string) {
  const nth = (id: string | undefined) => idsOf(pool).indexOf(id ?? '');
  const key = (what: string) => keys.pool(pool, what);
  const list = async (what: string) => (await redis.lrange(key(what), 0, -1)).map(nth);
  const set = async (what: string) => (await redis.zrange(key(what), 0, '-1')).map(nth);
  const [delayed, failed] = [await set('delayed'), await set('failed')];
  const line = [...(await list('wait')), ...(await set('prioritized'))];
  const tasks = await Promise.all(
    idsOf(pool).map(async (id) => {
      const notKept = [
        'stacktrace',
        ...(failed.includes(nth(id)) ? [] : OF_FAILURES),
        ...([...delayed, ...line].includes(nth(id)) ? OF_RUNS : []),
      ];
      const { opts, returnvalue, ...rest } = await redis.hgetall(keys.task(pool, id));
      const { attempts, delay, priority } = JSON.parse(opts ?? '{}');
      const fields = Object.entries(rest)
        .filter(([name]) => !name.startsWith('cm:') && !notKept.includes(name))
        .map(([name, value]) => [name, PRESENT.includes(name) ? 'there' : value]);
      return {
        ...Object.fromEntries(fields),
        options: { attempts, delay, priority },
        returned: returnvalue !== undefined,
        locked: (await redis.exists(`${keys.task(pool, id)}:lock`)) === 1,
      };
    }),
  );
  const events = (await redis.xrange(key('events'), '-', '+')).map(([, [, event, , id]]) => [event, nth(id)]);
  return {
    wait: await list('wait'),
    active: await list('active'),
    prioritized: await set('prioritized'),
    delayed,
    completed: await set('completed'),
    failed,
    marker: (await redis.zrange(key('marker'), 0, '-1')).sort(),
    limiter: await redis.get(key('limiter')),
    paused: await redis.hget(key('meta'), 'paused'),
    tasks,
    events,
  };
}

const add = (...tasks: Partial<NewTask>[]): Step => ({ do: 'add', tasks });

/** Orders in which both serve: BullMQ serves tasks with a priority after all that have none. */
const WAYS: Record<string, Step[]> = {
  'tasks in their order': [add({}, {}, {}), { do: 'claim' }, { do: 'claim' }, { do: 'complete' }, { do: 'complete' }],
  'a last one': [add({}), { do: 'claim' }, { do: 'complete' }],
  'delayed ones': [
    add({ delayMs: 60_000 }, {}, { delayMs: 90_000 }),
    { do: 'claim' },
    { do: 'due' },
    { do: 'claim' },
    { do: 'complete' },
  ],
  'priorities, one before the other': [
    add({ priority: 3 }, { priority: 1 }, { priority: 3 }),
    { do: 'claim' },
    { do: 'claim' },
    { do: 'complete' },
    add({ priority: 1 }),
    { do: 'claim' },
  ],
  'a failed attempt, and the next': [
    add({ attempts: 2 }),
    { do: 'claim' },
    { do: 'fail' },
    { do: 'due' },
    { do: 'claim' },
    { do: 'complete' },
  ],
  'attempts that are used up': [
    add({ attempts: 2 }, {}),
    { do: 'claim' },
    { do: 'fail' },
    { do: 'due' },
    { do: 'claim' },
    { do: 'claim' },
    { do: 'complete' },
    { do: 'fail' },
  ],
  'a failure that is final': [add({ attempts: 3 }), { do: 'claim' }, { do: 'fail for good' }],
  'removed ones': [
    add({}, { priority: 2 }, { delayMs: 60_000 }, {}),
    { do: 'remove', task: 0 },
    { do: 'remove', task: 1 },
    { do: 'remove', task: 2 },
    { do: 'claim' },
    { do: 'complete' },
  ],
  'a paused pool': [add({}), { do: 'pause' }, { do: 'claim' }, add({}, {}), { do: 'resume' }, { do: 'claim' }],
  'a pool that resumes with a delayed task': [{ do: 'pause' }, add({ delayMs: 60_000 }), { do: 'resume' }],
  'a global concurrency': [
    { do: 'concurrency', most: 1 },
    add({}, {}),
    { do: 'claim' },
    { do: 'claim' },
    { do: 'complete' },
    { do: 'claim' },
  ],
  'a rate limit': [{ do: 'rate', most: 2 }, add({}, {}, {}), { do: 'claim' }, { do: 'claim' }, { do: 'claim' }],
};

describe('Redis after the same steps as with BullMQ itself', () => {
  let mesh: TestMesh;
  let sides: Side[];
  let openedTheirs: BullQueue;
  const open: { close(): Promise<unknown> }[] = [];
  const current = meshPerTest('same');
  beforeEach(async () => {
    mesh = current();
    ids.clear();
    const [ours, theirs, worker] = [openQueue(mesh, 'ours'), openQueue(mesh, 'theirs'), openWorker(mesh, 'theirs')];
    open.push(ours, theirs, worker);
    openedTheirs = theirs;
    sides = [new Ours(mesh, ours, await mesh.node('mac-1', { pool: 'ours' })), new Theirs(mesh, theirs, worker)];
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()));
  });

  it.each(Object.keys(WAYS))('leaves in Redis what BullMQ itself would leave: %s', async (way) => {
    for (const step of WAYS[way] ?? []) {
      for (const side of sides) await side.take(step);
      const [ours, theirs] = await Promise.all(sides.map(({ pool }) => standing(mesh, pool)));
      expect(ours, step.do).toEqual(theirs);
    }
  });

  it.each([
    ['an interval', { everyMs: 3_600_000 }, { every: 3_600_000 }],
    ['a cron line', { cron: '0 5 * * *', timezone: null }, { pattern: '0 5 * * *' }],
    [
      'a cron line with a time zone',
      { cron: '0 5 * * 1', timezone: 'Europe/Berlin' },
      { pattern: '0 5 * * 1', tz: 'Europe/Berlin' },
    ],
  ])('leaves in Redis what BullMQ itself would leave for a schedule by %s', async (_, times, repeat) => {
    const { redis, keys, schedules } = mesh;
    await schedules.add('nightly', times, newTask({ pool: 'ours', attempts: 2, priority: 4 }));
    const { v, message, tags, attempts } = { v: 1, message: 'hello', tags: {}, attempts: 2 };
    await openedTheirs.upsertJobScheduler('nightly', repeat, {
      name: 'task',
      data: { v, message, attempts, tags },
      opts: { attempts, priority: 4 },
    });
    const armed = async (pool: string) => {
      const due = await redis.zrange(keys.pool(pool, 'repeat'), 0, '-1', 'WITHSCORES');
      const { cm: _cm, offset, ...scheduler } = await redis.hgetall(keys.pool(pool, 'repeat:nightly'));
      const task = await redis.hgetall(keys.task(pool, `repeat:nightly:${due[1]}`));
      const { timestamp, delay, opts = '{}', ...rest } = task;
      const {
        repeat: rule,
        jobId,
        prevMillis: _prev,
        delay: _delay,
        timestamp: _at,
        repeatJobKey: _key,
        ...options
      } = JSON.parse(opts);
      return {
        due: due.filter((_text, index) => index % 2 === 0),
        scheduler: { ...scheduler, data: JSON.parse(scheduler.data ?? ''), opts: JSON.parse(scheduler.opts ?? '') },
        offset: offset !== undefined,
        task: {
          ...rest,
          data: JSON.parse(rest.data ?? ''),
          queued: timestamp !== undefined,
          delayed: Number(delay) > 0,
        },
        options,
        named: jobId === `repeat:nightly:${due[1]}`,
        rule: { every: rule.every, pattern: rule.pattern, tz: rule.tz },
        state: [await redis.zcard(keys.pool(pool, 'delayed')), await redis.zcard(keys.pool(pool, 'prioritized'))],
        events: (await redis.xrange(keys.pool(pool, 'events'), '-', '+')).map(([, [, event]]) => event),
      };
    };
    const [ours, theirs] = [await armed('ours'), await armed('theirs')];
    expect(ours).toEqual(theirs);
  });
});
