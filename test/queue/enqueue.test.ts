import { Queue } from 'bullmq';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { newTaskId } from '../../src/domain/ids.ts';
import { MAX_DURATION_MS } from '../../src/domain/units.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

describe('many tasks at once', () => {
  let mesh: TestMesh;
  const current = meshPerTest('e');
  beforeEach(() => {
    mesh = current();
  });

  /** What a pool's keys say, with the n-th task called n. */
  const stored = async (pool: string, ids: readonly string[]) => {
    const { redis, keys } = mesh;
    const nth = (id: string) => ids.indexOf(id);
    const scored = async (what: string) => {
      const entries = await redis.zrange(keys.pool(pool, what), 0, '-1', 'WITHSCORES');
      return entries.map((text, index) => (index % 2 === 0 ? nth(text) : Number(text)));
    };
    const tasks = await Promise.all(ids.map((id) => redis.hgetall(keys.task(pool, id))));
    return {
      wait: (await redis.lrange(keys.pool(pool, 'wait'), 0, -1)).map(nth),
      prioritized: await scored('prioritized'),
      delayed: (await scored('delayed')).filter((_, index) => index % 2 === 0),
      marked: await redis.zrange(keys.pool(pool, 'marker'), 0, '-1'),
      tasks: tasks.map(({ opts = '', timestamp: _, ...fields }) => {
        const { jobId: _id, timestamp: _time, ...options } = JSON.parse(opts);
        return { ...fields, options };
      }),
      events: (await redis.xrange(keys.pool(pool, 'events'), '-', '+')).map(([, [, event, , id]]) => [
        event,
        nth(id ?? ''),
      ]),
    };
  };

  it('keeps the longest delay exact', async () => {
    const before = await mesh.registry.redisTime();
    const [task] = await mesh.producer.enqueue([newTask({ delayMs: MAX_DURATION_MS })]);
    const after = await mesh.registry.redisTime();
    const until = Date.parse((await mesh.reader.get(task?.id ?? ''))?.delayedUntil ?? '');
    expect(until).toBeGreaterThanOrEqual(before + MAX_DURATION_MS);
    expect(until).toBeLessThanOrEqual(after + MAX_DURATION_MS);
  });

  it('stores a batch in Redis as BullMQ itself would', async () => {
    const queue = new Queue('bull', { connection: mesh.redis as never, prefix: mesh.keys.bullPrefix });
    const kinds = fc.constantFrom({}, { priority: 1 }, { priority: 7 }, { delayMs: 60_000 }, { delayMs: 90_000 });
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { minLength: 1, maxLength: 250 }), async (lines) => {
        await mesh.redis.flushall();
        const tasks = lines.map((line, n) => newTask({ ...line, id: newTaskId(), message: `task ${n}` }));
        const ids = tasks.map(({ id = '' }) => id);
        await mesh.producer.enqueue(tasks);
        await queue.addBulk(
          tasks.map(({ id = '', message, priority, delayMs, attempts }) => ({
            name: 'task',
            data: { v: 1, message, attempts, tags: {} },
            opts: { jobId: id, attempts, ...(priority > 0 && { priority }), ...(delayMs > 0 && { delay: delayMs }) },
          })),
        );
        expect(await stored('default', ids)).toEqual(await stored('bull', ids));
      }),
      { numRuns: 20 },
    );
    await queue.close();
  });

  it('stores a batch whole and in order, however long its messages are', async () => {
    const messages = Array.from({ length: 230 }, (_, n) => `${n} ${'ä'.repeat(n % 50 === 7 ? 300_000 : 10)}`);
    const enqueued = await mesh.producer.enqueue(messages.map((message) => newTask({ message })));
    const node = await mesh.node('mac-1');
    for (const [n, { id }] of enqueued.entries()) {
      const claim = await claimNext(node);
      expect([claim.taskId, claim.spec.message === messages[n]]).toEqual([id, true]);
      await node.report(claim, success);
    }
  });

  it('leaves tasks unchanged that exist already, held or not', async () => {
    const tasks = [newTask({ id: newTaskId() }), newTask({ id: newTaskId(), node: 'mac-1' })];
    const held = mesh.keys.heldTasks('default', 'node:mac-1');
    await mesh.producer.enqueue(tasks);
    expect(await mesh.redis.zrange(held, 0, '-1')).toEqual([tasks[1]?.id]);
    const node = await mesh.node('mac-1');
    for (const claim of [await claimNext(node), await node.claimHeld('node:mac-1')]) {
      await node.report(claim as NonNullable<typeof claim>, success);
    }
    await mesh.producer.enqueue(tasks);
    expect(await mesh.redis.zcard(held)).toBe(0);
    expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ waiting: 0, completed: 2 });
  });
});
