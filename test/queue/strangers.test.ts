import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Task, taskError } from '../../src/domain/task.ts';
import { foreignWorkers } from '../../src/ops/problems.ts';
import { storedTask } from '../../src/queue/bullmq/task-producer.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

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

  describe('as a worker', () => {
    it('is told of, with the tasks that it has taken, also once it is gone', async () => {
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
          what: expect.stringMatching(/no clawmesh node \(billing\).*default: 2 of the newest 3/),
        },
      ]);
      await worker.close();
      await expect.poll(strangers).toMatchObject([{ connected: [], taken: 2 }]);
    });

    it('is told of without a name, and while it has taken none yet, or runs its first', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      const end = Promise.withResolvers<void>();
      opened(new Worker('default', () => end.promise, options()));
      await expect.poll(strangers).toMatchObject([{ connected: [''], taken: 0 }]);
      expect(foreignWorkers(await strangers())[0]?.what).toMatch(/1 BullMQ workers .* wait for tasks of pool default/);
      await mesh.producer.enqueue([newTask()]);
      await expect.poll(strangers).toMatchObject([{ taken: 1, of: 1 }]);
      end.resolve();
    });

    it('is not seen in what nodes have ended, whose node was forgotten, or that never ran', async () => {
      const [, second] = await mesh.producer.enqueue([newTask(), newTask({ attempts: 1 }), newTask()]);
      const node = await mesh.node('mac-1');
      await node.report(await claimNext(node), success);
      await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'x') });
      await mesh.producer.enqueue([newTask({ after: [{ id: second?.id ?? '', pool: 'default' }] })]);
      await mesh.redis.hdel(mesh.keys.incarnations, 'mac-1');
      expect(await strangers()).toEqual([]);
    });

    it('is looked for as far as the user may ask', async () => {
      await mesh.producer.enqueue([newTask()]);
      mesh.redis.client = (async () => {
        throw new Error("NOPERM User viewer has no permissions to run the 'client|list' command");
      }) as typeof mesh.redis.client;
      expect(await strangers()).toEqual([]);
    });
  });

  it('finds a short result in the event that ends its task, and a long one in the task', async () => {
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

  it('finds its tasks by the ids that task list shows, and nothing else by an id', async () => {
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

  describe('with a flow', () => {
    it('has its children fail as invalid, and its parent counted, cancelled and removed', async () => {
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

  describe('with deduplication', () => {
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
          await mesh.putBack({ maxHandovers: 1 });
        }
      },
    };
    const only = async () =>
      (await mesh.reader.list({ limit: 1 }))[0] as Awaited<ReturnType<typeof mesh.reader.list>>[0];

    it.each(Object.keys(end) as (keyof typeof end)[])('may queue its next task once this one was %s', async (how) => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      const first = await add({});
      expect((await add({})).id).toBe(first.id);
      await end[how]();
      expect(await freed()).toBe(true);
      expect((await add({})).id).not.toBe(first.id);
    });

    it('keeps its own time, where it has one', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      await add({ ttl: 600_000 });
      await end.completed();
      expect(await freed()).toBe(false);
    });

    it('gets its latest task queued that came while the one before ran', async () => {
      await mesh.producer.enqueue([newTask()]);
      await mesh.control.remove(await only());
      await add({ keepLastIfActive: true });
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      await queue().add('x', data('the latest'), { deduplication: { id: 'nightly', keepLastIfActive: true } });
      await node.report(claim, success);
      expect((await claimNext(node)).spec.message).toBe('the latest');
    });
  });

  describe('with limits for the whole pool', () => {
    const target = newTask({ require: { gpu: 'yes' } });

    it('has its concurrency kept for tasks that only some nodes may run', async () => {
      await queue().setGlobalConcurrency(1);
      await mesh.producer.enqueue([target, target]);
      const node = await mesh.node('mac-1', { labels: { gpu: 'yes' } });
      const first = await node.claimHeld('require:gpu=yes');
      expect(first).toBeDefined();
      expect(await node.claimHeld('require:gpu=yes')).toBeUndefined();
      await node.report(first as NonNullable<typeof first>, success);
      expect(await node.claimHeld('require:gpu=yes')).toBeDefined();
    });

    it('has its rate kept for them, too', async () => {
      await queue().setGlobalRateLimit(1, 600_000);
      await mesh.producer.enqueue([target, target, newTask()]);
      const node = await mesh.node('mac-1', { labels: { gpu: 'yes' } });
      expect(await node.claimHeld('require:gpu=yes')).toBeDefined();
      expect(await node.claimHeld('require:gpu=yes')).toBeUndefined();
      expect(await node.claim()).toBeUndefined();
    });
  });
});
