import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Task, taskError } from '../../src/domain/task.ts';
import { tidyMesh } from '../../src/node/tidy.ts';
import { foreignWorkers } from '../../src/ops/problems.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { storedTask } from '../../src/queue/bullmq/task-producer.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

const KEEP = { completedMs: 600_000, failedMs: 600_000, count: 1_000, usageMs: 600_000 };
const TIDY = { nodeId: 'mac-1', ownPools: ['default'], retention: KEEP, giveUpAfterMs: 86_400_000 };

describe('another program that uses BullMQ on our pools', () => {
  let mesh: TestMesh;
  const current = meshPerTest('x');
  const open: { close(): Promise<unknown> }[] = [];
  beforeEach(() => {
    mesh = current();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()));
  });
  const options = () => ({
    connection: { host: mesh.redis.options.host, port: mesh.redis.options.port, maxRetriesPerRequest: null },
    prefix: mesh.keys.bullPrefix,
  });
  const opened = <T extends { close(): Promise<unknown> }>(one: T): T => {
    open.push(one);
    return one;
  };
  const queue = () => opened(new Queue('default', options()));
  /** A task as our own producer stores it. */
  const data = (message = 'theirs') => storedTask(newTask({ message }));
  const strangers = async () => mesh.reader.strangers(await mesh.reader.pools(), await mesh.registry.redisTime());
  const only = async () => (await mesh.reader.list({ limit: 1 }))[0] as Task;
  const counts = async () => (await mesh.reader.counts(['default'])).get('default');

  describe('a foreign worker', () => {
    it('reports a foreign worker with the tasks that it has run, even once it is gone', async () => {
      await mesh.producer.enqueue([newTask(), newTask(), newTask()]);
      const node = await mesh.node('mac-1');
      await node.report(await claimNext(node), success);
      expect(await strangers()).toEqual([]);
      const worker = opened(new Worker('default', async () => null, { ...options(), name: 'billing' }));
      await expect.poll(async () => (await counts())?.completed).toBe(3);
      const found = await strangers();
      expect(found).toEqual([{ pool: 'default', connected: ['billing'], taken: 2, of: 3, names: ['billing'] }]);
      expect(foreignWorkers(found)).toMatchObject([
        {
          severity: 'warning',
          problem: expect.stringMatching(/of another program \(billing\).*default: 2 of the newest 3/),
        },
      ]);
      await worker.close();
      await expect.poll(strangers).toMatchObject([{ connected: [], taken: 2 }]);
    });

    it('reports a foreign worker without a name, and one that has run no task yet', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      const end = Promise.withResolvers<void>();
      opened(new Worker('default', () => end.promise, options()));
      await expect.poll(strangers).toMatchObject([{ connected: [''], taken: 0 }]);
      expect(foreignWorkers(await strangers())[0]?.problem).toMatch(
        /1 BullMQ worker of another program waits for tasks in pool default/,
      );
      await mesh.producer.enqueue([newTask()]);
      await expect.poll(strangers).toMatchObject([{ taken: 1, of: 1 }]);
      end.resolve();
    });

    it('reports no foreign worker for tasks that nodes ended, that a forgotten node ended, or that never ran', async () => {
      const [, second] = await mesh.producer.enqueue([newTask(), newTask({ attempts: 1 }), newTask()]);
      const node = await mesh.node('mac-1');
      await node.report(await claimNext(node), success);
      await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'x') });
      await mesh.producer.enqueue([newTask({ after: [{ id: second?.id ?? '', pool: 'default' }] })]);
      await mesh.redis.hdel(mesh.keys.incarnations, 'mac-1');
      expect(await strangers()).toEqual([]);
    });

    it('looks for foreign workers only with the rights of its Redis user', async () => {
      await mesh.producer.enqueue([newTask()]);
      mesh.redis.client = (async () => {
        throw new Error("NOPERM User viewer has no permissions to run the 'client|list' command");
      }) as typeof mesh.redis.client;
      expect(await strangers()).toEqual([]);
    });
  });

  describe('a foreign producer', () => {
    it('runs the jobs of a foreign producer with their id, priority and delay, and with the attempts that their data name', async () => {
      const node = await mesh.node('mac-1');
      await queue().addBulk([
        { name: 'x', data: data('plain') },
        { name: 'x', data: data('urgent'), opts: { jobId: 'mine', priority: 2, attempts: 7 } },
        { name: 'x', data: data('later'), opts: { delay: 600_000 } },
      ]);
      expect(await claimNext(node)).toMatchObject({ taskId: 'mine', spec: { message: 'urgent' }, maxAttempts: 3 });
      expect((await claimNext(node)).spec.message).toBe('plain');
      expect(await mesh.reader.list({ state: 'delayed', limit: 5 })).toMatchObject([{ message: 'later' }]);
    });

    it('keeps an ended task for a foreign producer as long as the mesh keeps it, whatever removeOnComplete says', async () => {
      const node = await mesh.node('mac-1');
      const job = await queue().add('x', data(), { removeOnComplete: true });
      await node.report(await claimNext(node), success);
      expect(await job.getState()).toBe('completed');
    });

    it('numbers the jobs of a foreign producer as BullMQ does, and its own tasks otherwise', async () => {
      await mesh.producer.enqueue([newTask()]);
      expect(await mesh.redis.exists(mesh.keys.pool('default', 'id'))).toBe(0);
      expect((await queue().add('x', data())).id).toBe('1');
    });

    it('waits before the next attempt of a foreign task as its data say, whatever its backoff is', async () => {
      const node = await mesh.node('mac-1');
      const { id = '' } = await queue().add('x', { ...data(), backoffMs: 5_000 }, { attempts: 5, backoff: 1 });
      await node.report(await claimNext(node), { ok: false, error: taskError('crash', 'broken') });
      expect((await queue().getJob(id))?.delay).toBe(5_000);
    });
  });

  describe('a foreign observer', () => {
    it('shows a foreign observer a held task as delayed, and a cancelled one as failed', async () => {
      const [task] = await mesh.producer.enqueue([newTask({ require: { gpu: 'yes' } })]);
      const job = await queue().getJob(task?.id ?? '');
      expect(await job?.getState()).toBe('delayed');
      await mesh.control.cancel(await only(), 'by hand');
      expect(await job?.getState()).toBe('failed');
    });

    it('shows a foreign observer nothing of the last run in a task that waits for its next attempt', async () => {
      const node = await mesh.node('mac-1');
      const { id = '' } = await queue().add('x', data());
      await node.report(await claimNext(node), { ok: false, error: taskError('crash', 'broken') });
      const job = await queue().getJob(id);
      expect(await job?.getState()).toBe('delayed');
      expect(job).toMatchObject({ attemptsMade: 1, attemptsStarted: 1, stacktrace: [] });
      expect([job?.failedReason, job?.processedOn, job?.processedBy]).toEqual([undefined, undefined, undefined]);
    });

    it('shows a foreign observer why a task failed or was cancelled', async () => {
      const events = opened(new QueueEvents('default', options()));
      await events.waitUntilReady();
      const node = await mesh.node('mac-1');
      const failed = (await queue().add('x', data())).waitUntilFinished(events);
      await Promise.all([
        expect(failed).rejects.toThrow('broken'),
        node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'broken') }),
      ]);
      const job = await queue().add('x', data());
      const cancelled = expect(job.waitUntilFinished(events)).rejects.toThrow('by hand');
      await mesh.control.cancel({ id: job.id ?? '', pool: 'default' }, 'by hand');
      await cancelled;
      expect((await queue().getJob(job.id ?? ''))?.failedReason).toBe('by hand');
    });

    it('shows a foreign observer the log and the progress of a task', async () => {
      const node = await mesh.node('mac-1');
      const { id = '' } = await queue().add('x', data());
      const progress = { at: new Date(0).toISOString(), note: 'thinking', tokens: 5 };
      await node.log(await claimNext(node), ['a line'], progress);
      expect((await queue().getJobLogs(id)).logs).toEqual(['a line']);
      expect((await queue().getJob(id))?.progress).toEqual(progress);
    });

    it('sends a foreign observer no event of a progress or a lost node: the requeued task comes as waiting', async () => {
      const events = opened(new QueueEvents('default', options()));
      await events.waitUntilReady();
      const seen: string[] = [];
      events.on('waiting', () => seen.push('waiting'));
      events.on('progress', () => seen.push('progress'));
      events.on('stalled', () => seen.push('stalled'));
      events.on('completed', () => seen.push('completed'));
      const [one, two] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
      await queue().add('x', data());
      const progress = { at: new Date(0).toISOString(), note: 'thinking', tokens: 5 };
      await one.log(await claimNext(one), ['a line'], progress);
      await mesh.registry.evict('mac-1', 15_000);
      await mesh.requeue();
      await two.report(await claimNext(two), success);
      await expect.poll(() => seen).toEqual(['waiting', 'waiting', 'completed']);
    });

    it('counts nothing that nodes run in the metrics of a foreign observer', async () => {
      const node = await mesh.node('mac-1');
      await queue().add('x', data());
      await node.report(await claimNext(node), success);
      expect(await queue().getMetrics('completed')).toMatchObject({ meta: { count: 0 }, data: [] });
    });
  });

  describe('a foreign operator', () => {
    const failed = { ok: false, error: taskError('crash', 'broken') } as const;

    it('obeys the pause of a pool by a foreign operator, and lets clawmesh resume it', async () => {
      const node = await mesh.node('mac-1');
      await queue().add('x', data());
      await queue().pause();
      expect(await node.claim()).toBeUndefined();
      expect(await counts()).toMatchObject({ paused: true, waiting: 1 });
      await setPoolPaused(mesh.redis, mesh.keys, 'default', false);
      expect(await node.claim()).toBeDefined();
    });

    it('gives a task one more attempt after a foreign retryJobs once all attempts are used up', async () => {
      const node = await mesh.node('mac-1');
      const [task] = await mesh.producer.enqueue([newTask({ attempts: 1 })]);
      await node.report(await claimNext(node), failed);
      await queue().retryJobs({ state: 'failed' });
      const claim = await claimNext(node);
      expect(claim).toMatchObject({ taskId: task?.id, attempt: 2, maxAttempts: 1 });
      expect(await node.report(claim, failed)).toMatchObject({ settled: 'failed' });
    });

    it('runs the tasks after a failed one once a foreign retryJobs has let that complete', async () => {
      const node = await mesh.node('mac-1');
      const [first] = await mesh.producer.enqueue([newTask({ attempts: 1 })]);
      await node.report(await claimNext(node), failed);
      await queue().retryJobs({ state: 'failed' });
      const [second] = await mesh.producer.enqueue([newTask({ after: [{ id: first?.id ?? '', pool: 'default' }] })]);
      await node.report(await claimNext(node), success);
      expect(await mesh.reader.get(first?.id ?? '')).toMatchObject({ state: 'completed', error: null });
      expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: 1, failed: 0 });
      expect((await claimNext(node)).taskId).toBe(second?.id);
    });

    it('starts a held task after a foreign promote, although the awaited event has not happened', async () => {
      const node = await mesh.node('mac-1');
      const [first] = await mesh.producer.enqueue([newTask({ delayMs: 600_000 })]);
      const after = [{ id: first?.id ?? '', pool: 'default' }];
      const [second] = await mesh.producer.enqueue([newTask({ after })]);
      await (await queue().getJob(second?.id ?? ''))?.promote();
      expect((await claimNext(node)).taskId).toBe(second?.id);
    });

    it('starts a delayed task, and even a held one, at the time of a foreign changeDelay', async () => {
      const node = await mesh.node('mac-1');
      const [first] = await mesh.producer.enqueue([newTask({ delayMs: 600_000 })]);
      const [second] = await mesh.producer.enqueue([newTask({ after: [{ id: first?.id ?? '', pool: 'default' }] })]);
      for (const id of [second?.id, first?.id]) {
        await (await queue().getJob(id ?? ''))?.changeDelay(1);
        expect((await claimNext(node)).taskId).toBe(id);
      }
    });

    it('queues the next task of a schedule again after a foreign obliterate', async () => {
      await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, newTask());
      await queue().obliterate();
      expect(await counts()).toMatchObject({ delayed: 0 });
      expect(await mesh.schedules.mend()).toEqual([]);
      expect(await counts()).toMatchObject({ delayed: 1 });
    });

    it('lets a foreign operator remove a task and free its idempotency key, unless a node runs it', async () => {
      const node = await mesh.node('mac-1');
      const [first] = await mesh.producer.enqueue([newTask({ key: 'k' })]);
      const job = await queue().getJob(first?.id ?? '');
      const claim = await claimNext(node);
      await expect(job?.remove()).rejects.toThrow('locked');
      await node.report(claim, success);
      await job?.remove();
      expect(await mesh.producer.enqueue([newTask({ key: 'k' })])).toMatchObject([{ duplicate: false }]);
    });

    it('lets a foreign operator remove held tasks with clean, drain and obliterate, and cancelled ones as failed', async () => {
      const held = newTask({ require: { gpu: 'yes' } });
      const removals = [() => queue().clean(0, 10, 'delayed'), () => queue().drain(true), () => queue().obliterate()];
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.cancel(await only(), 'by hand');
      for (const remove of removals) {
        await mesh.producer.enqueue([held]);
        expect(await counts()).toMatchObject({ waiting: 1 });
        await remove();
        expect(await counts()).toMatchObject({ waiting: 0 });
        await releaseHeld(mesh.redis, mesh.keys);
        expect(await mesh.redis.exists(mesh.keys.held)).toBe(0);
      }
    });

    it('keeps everything that clawmesh knows of its tasks after a foreign removeOrphanedJobs', async () => {
      const node = await mesh.node('mac-1');
      await mesh.producer.enqueue([newTask({ attempts: 1 })]);
      await node.report(await claimNext(node), failed);
      await mesh.control.acknowledge(await only());
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.cancel(await only(), 'by hand');
      const before = await counts();
      expect(before).toMatchObject({ failed: 1, acknowledged: 1, cancelled: 1 });
      expect(await queue().removeOrphanedJobs()).toBe(0);
      expect(await counts()).toEqual(before);
      for (const state of ['failed', 'cancelled'] as const) {
        expect(await mesh.reader.list({ limit: 5, state })).toMatchObject([{ state }]);
      }
    });

    it('queues cancelled tasks again after a foreign retryJobs, and stops counting them as cancelled after a cleanup', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.cancel(await only(), 'by hand');
      await queue().retryJobs({ state: 'failed' });
      await tidyMesh(mesh.redis, mesh.keys, { ...TIDY, onError: (error) => expect(error).toBeUndefined() });
      expect(await counts()).toMatchObject({ waiting: 1, failed: 0, cancelled: 0 });
    });
  });

  it('puts a short result into the event that ends its task, and a long one into the task', async () => {
    const events = opened(new QueueEvents('default', options()));
    await events.waitUntilReady();
    const theirs = queue();
    const node = await mesh.node('mac-1');
    const short = await theirs.add('x', data());
    const ended = short.waitUntilFinished(events);
    await node.report(await claimNext(node), success);
    expect(await ended).toMatchObject({ text: 'done' });
    const long = await theirs.add('x', data());
    const endedToo = long.waitUntilFinished(events);
    const text = 'x'.repeat(2_000);
    await node.report(await claimNext(node), { ok: true, result: { ...success.result, text } });
    expect(await endedToo).toBe('');
    expect((await theirs.getJob(long.id ?? ''))?.returnvalue).toMatchObject({ text });
  });

  it('lets another program find tasks by the ids that task list shows, and nothing else by an id', async () => {
    await mesh.producer.enqueue([newTask()]);
    await queue().add('x', data('by number'));
    await queue().add('x', data('by name'), { jobId: 'report of tuesday' });
    const listed = (await mesh.reader.list({ limit: 10 })).map(({ id }) => id);
    expect(listed).toEqual(expect.arrayContaining(['report of tuesday']));
    for (const id of listed) expect(await mesh.reader.get(id)).toMatchObject({ id, state: 'waiting' });
    for (const id of ['', 'meta', 'wait', 'id', 'events', 'marker', 'repeat', 'x'.repeat(2_000), `${listed[0]}:logs`]) {
      expect(await mesh.reader.get(id)).toBeUndefined();
    }
  });

  describe('a foreign flow', () => {
    it('runs the parent of a foreign flow on a node once other workers have ended its children', async () => {
      const node = await mesh.node('mac-1');
      const flows = opened(new FlowProducer(options()));
      const children = [{ name: 'child', queueName: 'elsewhere', data: {} }];
      await flows.add({ name: 'parent', queueName: 'default', data: data('parent'), children });
      expect(await node.claim()).toBeUndefined();
      opened(new Worker('elsewhere', async () => null, options()));
      expect((await claimNext(node)).spec.message).toBe('parent');
    });

    it('fails the children of a foreign flow as invalid, and counts, cancels and removes its parent', async () => {
      await mesh.producer.enqueue([newTask({ message: 'ours' })]);
      const flows = opened(new FlowProducer(options()));
      const tree = await flows.add({
        name: 'parent',
        queueName: 'default',
        data: data('parent'),
        children: [{ name: 'child', queueName: 'default', data: data('child') }],
      });
      expect(await counts()).toMatchObject({ waiting: 3 });
      const parent = await mesh.reader.get(tree.job.id ?? '');
      expect(parent).toMatchObject({ state: 'waiting', heldBy: 'children of its BullMQ flow' });
      expect((await mesh.reader.list({ state: 'waiting', limit: 10 })).map(({ id }) => id)).toContain(tree.job.id);
      const node = await mesh.node('mac-1');
      expect((await claimNext(node)).spec.message).toBe('ours');
      expect(await node.claim()).toBeUndefined();
      const [child] = await mesh.reader.list({ state: 'failed', limit: 1 });
      expect(child).toMatchObject({ message: 'child', error: { kind: 'invalid', message: /BullMQ flow/ } });
      expect(await mesh.control.cancel(parent as NonNullable<typeof parent>, 'by hand')).toBe('cancelled');
      expect(await mesh.reader.get(tree.job.id ?? '')).toMatchObject({ state: 'cancelled' });
      await mesh.control.remove(parent as NonNullable<typeof parent>);
      expect((await mesh.redis.keys(`*${tree.job.id}*`)).filter((key) => !key.includes(child?.id ?? ''))).toEqual([]);
    });
  });

  describe('foreign deduplication', () => {
    const add = (deduplication: object) =>
      queue().add('x', data(), { deduplication: { id: 'nightly', ...deduplication } });
    const freed = async () => (await mesh.redis.exists(mesh.keys.pool('default', 'de:nightly'))) === 0;
    const end = {
      completed: async () => {
        const node = await mesh.node('mac-1');
        await node.report(await claimNext(node), success);
      },
      failed: async () => {
        const node = await mesh.node('mac-1');
        await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'x') });
      },
      cancelled: async () => void (await mesh.control.cancel(await only(), 'by hand')),
      removed: async () => void (await mesh.control.remove(await only())),
      'given up': async () => {
        for (let n = 0; n < 2; n++) {
          const node = await mesh.node('mac-1');
          await claimNext(node);
          await mesh.registry.register('mac-1', ['default'], 15_000);
          await mesh.requeue({ maxHandovers: 1 });
        }
      },
    };
    const only = async () =>
      (await mesh.reader.list({ limit: 1 }))[0] as Awaited<ReturnType<typeof mesh.reader.list>>[0];

    it.each(Object.keys(end) as (keyof typeof end)[])(
      'lets a foreign producer queue its next deduplicated task once this one was %s',
      async (how) => {
        await mesh.producer.enqueue([newTask()]);
        await mesh.control.remove(await only());
        const first = await add({});
        expect((await add({})).id).toBe(first.id);
        await end[how]();
        expect(await freed()).toBe(true);
        expect((await add({})).id).not.toBe(first.id);
      },
    );

    it('keeps a deduplication time that a foreign producer set', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      await add({ ttl: 600_000 });
      await end.completed();
      expect(await freed()).toBe(false);
    });

    it('queues the latest deduplicated task that arrived while the one before ran', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      await add({ keepLastIfActive: true });
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      const deduplication = { id: 'nightly', keepLastIfActive: true };
      await queue().add('x', data('the latest'), { deduplication, priority: 3, jobId: 'mine' });
      await mesh.producer.enqueue([
        newTask({ message: 'of no priority' }),
        newTask({ message: 'urgent', priority: 2 }),
      ]);
      await node.report(claim, success);
      const latest = await mesh.reader.list({ state: 'waiting', limit: 3 });
      expect(latest.find(({ message }) => message === 'the latest')).toMatchObject({
        id: 'mine',
        priority: 3,
        enqueuedAt: expect.stringMatching(/^20/),
      });
      expect((await claimNext(node)).spec.message).toBe('urgent');
      expect((await claimNext(node)).spec.message).toBe('the latest');
    });
  });

  describe('foreign limits for the whole pool', () => {
    const target = newTask({ require: { gpu: 'yes' } });

    it('respects the pool’s concurrency for tasks that only some nodes may run', async () => {
      await queue().setGlobalConcurrency(1);
      await mesh.producer.enqueue([target, target]);
      const node = await mesh.node('mac-1', { labels: { gpu: 'yes' } });
      const first = await node.claimHeld('require:gpu=yes');
      expect(first).toBeDefined();
      expect(await node.claimHeld('require:gpu=yes')).toBeUndefined();
      await node.report(first as NonNullable<typeof first>, success);
      expect(await node.claimHeld('require:gpu=yes')).toBeDefined();
    });

    it('respects the pool’s rate for tasks that only some nodes may run', async () => {
      await queue().setGlobalRateLimit(1, 600_000);
      await mesh.producer.enqueue([target, target, newTask()]);
      const node = await mesh.node('mac-1', { labels: { gpu: 'yes' } });
      expect(await node.claimHeld('require:gpu=yes')).toBeDefined();
      expect(await node.claimHeld('require:gpu=yes')).toBeUndefined();
      expect(await node.claim()).toBeUndefined();
    });
  });
});
