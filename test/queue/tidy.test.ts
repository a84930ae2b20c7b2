import { beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from '../../src/client/mesh.ts';
import { configSchema } from '../../src/config/schema.ts';
import { taskError } from '../../src/domain/task.ts';
import { FORGET_AFTER_MS, tidyMesh } from '../../src/node/tidy.ts';
import { takeSnapshot } from '../../src/ops/snapshot.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { scripts } from '../../src/queue/bullmq/scripts.ts';
import { forgetNodes } from '../../src/registry/forget-nodes.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

let mesh: TestMesh;
const current = meshPerTest('t');
beforeEach(() => {
  mesh = current();
});
const MIB = 1_024 * 1_024;

describe('the removal of long messages', () => {
  it('removes some messages at a time, and all in the end', async () => {
    const message = 'x'.repeat(MIB - 100);
    const node = await mesh.node('mac-1', { completedMs: 1 });
    for (let n = 0; n < 12; n++) {
      await mesh.producer.enqueue([newTask({ message, key: `k${n}` })]);
      await node.report(await claimNext(node), success);
    }
    const steps: number[] = [];
    await expect
      .poll(async () => {
        steps.push(await node.removeExpired());
        return steps.reduce((sum, step) => sum + step, 0);
      })
      .toBe(12);
    expect(Math.max(...steps)).toBeLessThanOrEqual(2);
    expect(await mesh.redis.keys(`${mesh.keys.idempotencyPrefix}*`)).toEqual([]);
  });

  it('reads no message: it frees a key although the stored task cannot be read', async () => {
    const [{ id } = { id: '' }] = await mesh.producer.enqueue([newTask({ key: 'k' })]);
    await mesh.redis.hset(mesh.keys.task('default', id), 'data', 'x'.repeat(MIB));
    await mesh.control.remove({ id, pool: 'default' });
    expect(await mesh.redis.keys(`*${id}*`)).toEqual([]);
    expect(await mesh.redis.exists(mesh.keys.idempotency('k'))).toBe(0);
  });

  it('releases a task that comes after others although its message cannot be read', async () => {
    const [first] = await mesh.producer.enqueue([newTask()]);
    const [then] = await mesh.producer.enqueue([newTask({ after: [{ id: first?.id ?? '', pool: 'default' }] })]);
    const id = then?.id ?? '';
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'waiting', heldBy: 'after' });
    await mesh.redis.hset(mesh.keys.task('default', id), 'data', 'not JSON');
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    expect(await releaseHeld(mesh.redis, mesh.keys)).toMatchObject({ released: 1, failed: 0 });
  });
});

describe('an idempotency key', () => {
  it('does not exist without its task, even if the enqueuer failed', async () => {
    await mesh.redis.set(mesh.keys.pool('default', 'wait'), 'mangled');
    await expect(mesh.producer.enqueue([newTask({ key: 'k' })])).rejects.toThrow('WRONGTYPE');
    expect(await mesh.redis.exists(mesh.keys.idempotency('k'))).toBe(0);
  });

  it('is free again if its task has vanished', async () => {
    const [{ id } = { id: '' }] = await mesh.producer.enqueue([newTask({ key: 'k' })]);
    await mesh.redis.del(mesh.keys.task('default', id));
    await mesh.redis.lrem(mesh.keys.pool('default', 'wait'), 0, id);
    const [again] = await mesh.producer.enqueue([newTask({ key: 'k' })]);
    expect(again).toMatchObject({ duplicate: false });
    expect(await mesh.redis.get(mesh.keys.idempotency('k'))).toBe(`default ${again?.id}`);
  });

  it('is unique in the whole mesh, even in a batch for several pools', async () => {
    const batch = ['a', 'b', 'a'].map((pool) => newTask({ pool, key: 'k' }));
    const enqueued = await mesh.producer.enqueue([...batch, newTask({ pool: 'b' })]);
    expect(new Set(enqueued.slice(0, 3).map(({ id }) => id)).size).toBe(1);
    expect(enqueued.map(({ duplicate }) => duplicate).sort()).toEqual([false, false, true, true]);
    const [owner] = enqueued;
    expect(await mesh.reader.get(owner?.id ?? '')).toMatchObject({ pool: owner?.pool, key: 'k' });
  });
});

describe('the history of a task', () => {
  it('keeps its beginning and its newest lines, and says how much was cut between them', async () => {
    const [{ id } = { id: '' }] = await mesh.producer.enqueue([newTask({ attempts: 1 })]);
    const node = await mesh.node('mac-1');
    const failure = { ok: false, error: taskError('invalid', 'é'.repeat(5_000)) } as const;
    for (let n = 0; n < 100; n++) {
      await node.report(await claimNext(node), failure);
      const task = await mesh.reader.get(id);
      expect(await mesh.control.retry(task as NonNullable<typeof task>)).toBe('waiting');
    }
    const history = (await mesh.reader.get(id))?.history ?? [];
    const cut = history.findIndex(({ event }) => event === 'cut');
    expect(history.slice(0, 4).map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'failed', 'retry']);
    expect(cut).toBe(11);
    expect(history.at(-1)).toMatchObject({ event: 'retry', attempt: 101 });
    // Three entries a round, and the enqueuing, which is no line.
    expect(Number(history[cut]?.reason?.split(' ')[0]) + history.length - 2).toBe(300);
    expect(history.every(({ reason }) => (reason ?? '').length <= 2_000)).toBe(true);
    expect(await claimNext(node)).toMatchObject({ taskId: id, attempt: 101, maxAttempts: 101 });
  });
});

describe('the cleanup by a node', () => {
  const options = (onError: (error: unknown) => void = () => {}) => ({
    nodeId: 'mac-1',
    ownPools: ['own'],
    retention: { completedMs: 0, failedMs: 0, count: 10, usageMs: 1 },
    giveUpAfterMs: 86_400_000,
    onError,
  });
  const completeOne = async (pool: string) => {
    await mesh.producer.enqueue([newTask({ pool })]);
    const node = await mesh.node('mac-9', { pool });
    await node.report(await claimNext(node), success);
  };
  const completed = (pool: string) => mesh.redis.zcard(mesh.keys.pool(pool, 'completed'));

  it('removes ended tasks of pools that the node does not serve, whatever else fails', async () => {
    for (const pool of ['own', 'a', 'b']) await completeOne(pool);
    await mesh.redis.set(mesh.keys.pool('a', 'failed'), 'mangled');
    await mesh.redis.set(mesh.keys.circuits, 'mangled');
    await mesh.redis.sadd(mesh.keys.held, 'b after');
    await mesh.redis.set(mesh.keys.heldTasks('b', 'after'), 'mangled');
    const errors: unknown[] = [];
    await tidyMesh(
      mesh.redis,
      mesh.keys,
      options((error) => errors.push(error)),
    );
    expect(await completed('b')).toBe(0);
    expect(await completed('own')).toBe(1);
    expect(errors.length).toBeGreaterThanOrEqual(3);
    expect(await mesh.redis.hlen(mesh.keys.absent)).toBeGreaterThanOrEqual(1);
  });

  it('drops held tasks that another program has removed, some at a time, and in the end their reason', async () => {
    const why = 'require:gpu=yes';
    const tasks = await mesh.producer.enqueue(Array.from({ length: 3 }, () => newTask({ require: { gpu: 'yes' } })));
    const [first = '', ...others] = tasks.map(({ id }) => id);
    const delayed = mesh.keys.pool('default', 'delayed');
    const prune = (from: number, size: number) =>
      scripts.pruneHeld.run(mesh.redis, mesh.keys, ['default', why, from, size]);
    const listed = () => mesh.redis.zrange(mesh.keys.heldTasks('default', why), 0, '-1');
    await mesh.redis.zrem(delayed, first);
    expect(await prune(0, 2)).toBe(1);
    expect(await listed()).toEqual(others);
    expect(await prune(1, 2)).toBe(0);
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([`default ${why}`]);
    await mesh.redis.zrem(delayed, ...others);
    expect(await prune(0, 9)).toBe(0);
    expect(await listed()).toEqual([]);
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });

  it('cleans up on one node at a time', async () => {
    await completeOne('a');
    await tidyMesh(mesh.redis, mesh.keys, options());
    await completeOne('a');
    expect(await tidyMesh(mesh.redis, mesh.keys, { ...options(), nodeId: 'mac-2' })).toBe(0);
    expect(await completed('a')).toBe(1);
    await mesh.redis.del(mesh.keys.tidying);
    expect(await tidyMesh(mesh.redis, mesh.keys, { ...options(), nodeId: 'mac-2' })).toBe(1);
  });

  it('forgets a node only after it was away for the whole time, and never repeats its incarnation', async () => {
    const forget = (ms: number) => forgetNodes(mesh.redis, mesh.keys, ms);
    const start = async (node: string) => (await mesh.registry.register(node, ['default'], 15_000)).incarnation;
    for (let n = 0; n < 5; n++) await start('mac-1');
    expect([await forget(0), await forget(0)]).toEqual([[], []]);
    await mesh.registry.evict('mac-1', 15_000);
    expect([await forget(60_000), await forget(60_000)]).toEqual([[], []]);
    await start('mac-1');
    await mesh.registry.evict('mac-1', 15_000);
    // It was up meanwhile, so that the time starts over.
    expect(await forget(0)).toEqual([]);
    const last = Number(await mesh.redis.hget(mesh.keys.incarnations, 'mac-1'));
    expect(await forget(0)).toEqual(['mac-1']);
    expect(await mesh.registry.find('mac-1')).toBeUndefined();
    expect(await start('mac-1')).toBeGreaterThan(last);
    expect(await start('mac-2')).toBeGreaterThan(last);
  });

  it('keeps nodes, pools and circuits for a month by default', () => {
    const month = 30 * 86_400_000;
    expect(FORGET_AFTER_MS).toEqual({ node: month, pool: month, circuit: { closed: 86_400_000, open: month } });
  });
});

describe('status', () => {
  it('reports a schedule that queues nothing, and reads only today’s usage', async () => {
    const config = configSchema.parse({
      mesh: mesh.keys.bullPrefix.split(':')[1]?.slice(0, -1),
      redis: { url: 'redis://x' },
    });
    const client = await Mesh.connect(config, mesh.target, { clock: systemClock });
    await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, newTask());
    await mesh.redis.hset(mesh.keys.schedules, 'daily', '{"v":2}');
    await mesh.schedules.mend();
    const days: number[] = [];
    const { snapshot } = await takeSnapshot(
      Object.assign(client, {
        usage: async (count: number) => {
          days.push(count);
          return [];
        },
      }),
      systemClock,
    );
    expect(snapshot.problems).toContainEqual({
      severity: 'error',
      what: expect.stringMatching(/^schedule daily enqueues no tasks: .*cannot read/),
      fix: expect.stringContaining('clawmesh schedule remove daily'),
    });
    expect(days).toEqual([1]);
    await client.close();
  });
});
