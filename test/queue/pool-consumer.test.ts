import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Claim, tokenOwner } from '../../src/domain/claim.ts';
import { taskError } from '../../src/domain/task.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import { claimNext, idleOffer, makeDue, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { shiftTimes } from '../support/process-mesh.ts';
import { SpawnedRedis } from '../support/redis.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('a pool', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let count = 0;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    mesh = await openTestMesh(server.url, `t${count++}`);
  });
  afterEach(() => mesh.close());

  const enqueueOne = async (fields: Parameters<typeof newTask>[0] = {}) => {
    const [enqueued] = await mesh.producer.enqueue([newTask(fields)]);
    return enqueued as NonNullable<typeof enqueued>;
  };
  const events = async (id: string) => (await mesh.reader.get(id))?.history.map((entry) => entry.event);

  it('gives a task to one node, with a lock that names node and incarnation', async () => {
    const { id } = await enqueueOne({ message: 'do it', tags: { repo: 'x' } });
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(claim).toMatchObject({ taskId: id, attempt: 1, maxAttempts: 3, handovers: 0 });
    expect(claim.spec).toMatchObject({ message: 'do it', tags: { repo: 'x' } });
    const lock = await mesh.redis.get(`${mesh.keys.task('default', id)}:lock`);
    expect(tokenOwner(lock ?? '')).toEqual({ nodeId: 'mac-1', incarnation: 1 });
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'active', node: 'mac-1' });
  });

  it('completes a task once and keeps its result', async () => {
    const { id } = await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(await node.report(claim, success)).toMatchObject({ settled: 'completed' });
    const task = await mesh.reader.get(id);
    expect(task).toMatchObject({ state: 'completed', node: 'mac-1', attempts: { made: 1, max: 3 } });
    expect(task?.result?.text).toBe('done');
    expect(task?.history.map(({ event, node: who, attempt }) => [event, who, attempt])).toEqual([
      ['enqueued', null, null],
      ['claimed', 'mac-1', 1],
      ['completed', 'mac-1', 1],
    ]);
  });

  it('never shows a task as completed without its result, or as failed without its error', async () => {
    const node = await mesh.node('mac-1');
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const { id } = await enqueueOne();
      const claim = await claimNext(node);
      const outcome = round % 2 === 0 ? success : ({ ok: false, error: taskError('auth', 'HTTP 401') } as const);
      const look = async () => {
        const task = await mesh.reader.get(id);
        seen.add(`${task?.state} ${task?.result ? 'result' : task?.error ? 'error' : 'open'}`);
        return task?.finishedAt;
      };
      await look();
      const looking = (async () => {
        while (!(await look()));
      })();
      // Each look takes some round trips; the reports come at every point between them.
      for (let turns = round % 12; turns > 0; turns--) await new Promise(setImmediate);
      await node.report(claim, outcome);
      await looking;
    }
    expect([...seen].sort()).toEqual(['active open', 'completed result', 'failed error']);
  });

  it('accepts a report twice, since the reply to the first may have been lost', async () => {
    await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await node.report(claim, success);
    await expect(node.report(claim, success)).resolves.toMatchObject({ settled: 'completed' });
  });

  it('fetches the next task with the report, under a token of its own', async () => {
    await enqueueOne();
    const second = await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    const { next } = await node.report(claim, success, idleOffer);
    expect(next?.taskId).toBe(second.id);
    expect(next?.token).not.toBe(claim.token);
    expect(await mesh.redis.get(`${mesh.keys.task('default', second.id)}:lock`)).toBe(next?.token);
  });

  it('keeps results out of the event stream', async () => {
    await enqueueOne();
    const node = await mesh.node('mac-1');
    const text = 'r'.repeat(100_000);
    await node.report(await claimNext(node), { ok: true, result: { ...success.result, text } });
    const stream = JSON.stringify(await mesh.redis.xrange(mesh.keys.pool('default', 'events'), '-', '+'));
    expect(stream.length).toBeLessThan(5_000);
  });

  it('retries a failure that may pass, and records each attempt', async () => {
    const { id } = await enqueueOne({ attempts: 2 });
    const node = await mesh.node('mac-1');
    const failure = { ok: false, error: taskError('provider', 'HTTP 500') } as const;
    expect(await node.report(await claimNext(node), failure)).toMatchObject({ settled: 'retry' });
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'delayed', attempts: { made: 1, max: 2 } });
    await makeDue(mesh);
    const again = await claimNext(node);
    expect(again).toMatchObject({ taskId: id, attempt: 2 });
    expect(await node.report(again, failure)).toMatchObject({ settled: 'failed' });
    expect(await events(id)).toEqual(['enqueued', 'claimed', 'retry', 'claimed', 'failed']);
    expect(await mesh.reader.get(id)).toMatchObject({ error: { kind: 'provider' }, attempts: { made: 2 } });
  });

  it('fails a task at once if no further attempt can succeed', async () => {
    const { id } = await enqueueOne({ attempts: 5 });
    const node = await mesh.node('mac-1');
    const failure = { ok: false, error: taskError('auth', 'HTTP 401') } as const;
    expect(await node.report(await claimNext(node), failure)).toMatchObject({ settled: 'failed' });
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'failed', error: { kind: 'auth', retryable: false } });
  });

  it('records an event for a task that fails for good', async () => {
    const { id } = await enqueueOne();
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'bad input') });
    const log = await new EventLog(mesh.redis, mesh.keys).newest({ limit: 1 });
    expect(log).toMatchObject([
      { event: 'dead-letter', task: id, pool: 'default', node: 'mac-1', reason: 'bad input' },
    ]);
  });

  it('releases a task to the head of its pool without using up an attempt', async () => {
    const first = await enqueueOne();
    await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(await node.release(claim, 'drain')).toBe(true);
    const again = await claimNext(await mesh.node('mac-2'));
    expect(again).toMatchObject({ taskId: first.id, attempt: 1, handovers: 1 });
    expect(await events(first.id)).toEqual(['enqueued', 'claimed', 'handover', 'claimed']);
    const [entry] = await mesh.redis.xrange(mesh.keys.handovers, '-', '+');
    expect(entry?.[1]).toEqual(expect.arrayContaining(['taskId', first.id, 'from', 'mac-1', 'reason', 'drain']));
    expect(await node.release(claim, 'drain')).toBe(false);
  });

  it('refuses log lines for a lost claim, even from an incarnation that is not fenced', async () => {
    await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await mesh.redis.del(`${mesh.keys.task('default', claim.taskId)}:lock`);
    expect(await mesh.requeue()).toEqual([claim.taskId]);
    await expect(node.log(claim, ['late'], undefined)).rejects.toMatchObject({ code: 'claim-lost' });
  });

  it.each(['drain', 'evicted', 'crash', 'heartbeat'] as const)(
    'releases a task any number of times because of %j, and never fails it for that',
    async (reason) => {
      const { id } = await enqueueOne();
      const node = await mesh.node('mac-1');
      for (let handovers = 0; handovers < 5; handovers++) {
        const claim = await claimNext(node);
        expect(claim).toMatchObject({ taskId: id, attempt: 1, handovers });
        expect(await node.release(claim, reason)).toBe(true);
        expect(await mesh.reader.get(id)).toMatchObject({ state: 'waiting' });
      }
      const handovers = await mesh.redis.xrange(mesh.keys.handovers, '-', '+');
      expect(handovers.map(([, fields]) => fields.includes(reason))).toEqual(Array(5).fill(true));
    },
  );

  it('keeps the priority of a released task', async () => {
    const urgent = await enqueueOne({ priority: 1 });
    await enqueueOne({ priority: 2 });
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await node.release(claim, 'drain');
    expect((await claimNext(node)).taskId).toBe(urgent.id);
  });

  it('serves priority 1 before 2, and priority 0 in order of arrival', async () => {
    const two = await enqueueOne({ priority: 2 });
    const one = await enqueueOne({ priority: 1 });
    const node = await mesh.node('mac-1');
    expect([(await claimNext(node)).taskId, (await claimNext(node)).taskId]).toEqual([one.id, two.id]);
  });

  it('serves tasks with a priority before those without, whatever claims them, and again after a release', async () => {
    const plain = [];
    for (let n = 0; n < 8; n++) plain.push((await enqueueOne()).id);
    const three = await enqueueOne({ priority: 3 });
    const one = await enqueueOne({ priority: 1 });
    const node = await mesh.node('mac-1');
    const first = await claimNext(node);
    expect(first.taskId).toBe(one.id);
    await node.release(first, 'drain');
    let claim = await claimNext(node);
    const order = [claim.taskId];
    while (order.length < 5) {
      const { next } = await node.report(claim, success, idleOffer);
      claim = next as typeof claim;
      order.push(claim.taskId);
    }
    expect(order).toEqual([one.id, three.id, ...plain.slice(0, 3)]);
  });

  it('serves tasks with a priority first among those held for a node, too', async () => {
    const node = await mesh.node('mac-1');
    const held: string[] = [];
    for (const priority of [0, 0, 5, 0, 1, 5]) held.push((await enqueueOne({ priority, node: 'mac-1' })).id);
    const order = [];
    for (const _ of held) order.push((await node.claimHeld('node:mac-1'))?.taskId);
    expect(order).toEqual([4, 2, 5, 0, 1, 3].map((n) => held[n]));
  });

  it('refuses every change by a fenced incarnation', async () => {
    await enqueueOne();
    await enqueueOne();
    const old = await mesh.node('mac-1');
    const claim = await claimNext(old);
    await mesh.node('mac-1');
    const failure = { ok: false, error: taskError('provider', 'x') } as const;
    await expect(old.claim()).rejects.toMatchObject({ code: 'fenced' });
    await expect(old.report(claim, success)).rejects.toMatchObject({ code: 'fenced' });
    await expect(old.report(claim, failure)).rejects.toMatchObject({ code: 'fenced' });
    await expect(old.renew([claim])).rejects.toMatchObject({ code: 'fenced' });
    await expect(old.log(claim, ['late'], undefined)).rejects.toMatchObject({ code: 'fenced' });
    await expect(old.release(claim, 'drain')).rejects.toMatchObject({ code: 'fenced' });
    expect(await mesh.reader.get(claim.taskId)).toMatchObject({ state: 'active' });
  });

  it('requeues a task whose claim lapsed, and refuses the late report', async () => {
    const { id } = await enqueueOne();
    const slow = await mesh.node('mac-1', { visibilityTimeoutMs: 1_000 });
    const claim = await claimNext(slow);
    expect(await mesh.requeue()).toEqual([]);
    await mesh.redis.pexpire(`${mesh.keys.task('default', id)}:lock`, 0);
    const other = await mesh.node('mac-2');
    expect(await mesh.requeue()).toEqual([id]);
    expect(await slow.renew([claim])).toEqual([claim]);
    await expect(slow.report(claim, success)).rejects.toMatchObject({ code: 'claim-lost' });
    expect(await claimNext(other)).toMatchObject({ taskId: id, attempt: 1, handovers: 1 });
    expect((await mesh.reader.get(id))?.history.at(-2)).toMatchObject({
      event: 'handover',
      reason: 'visibility-timeout',
    });
  });

  it('waits for a renewal before it orphans a claim that lapsed because Redis’ clock jumped', async () => {
    const sweep = () => mesh.registry.sweep(sweepHow('sweeper', { stallMs: 1_000 }));
    const lively = await enqueueOne();
    const silent = await enqueueOne();
    const node = await mesh.node('mac-1');
    const claims = [await claimNext(node), await claimNext(node)];
    await sweep();
    await shiftTimes(mesh.redis, mesh.keys, -3_600_000);
    // Seen by no sweep so far, then by one.
    expect(await mesh.requeue()).toEqual([]);
    await sweep();
    expect(await mesh.requeue({ visibilityTimeoutMs: 600_000 })).toEqual([]);
    expect(await node.renew(claims.slice(0, 1))).toEqual([]);
    await mesh.redis.hset(mesh.keys.sweep, 'resumedAt', (await mesh.registry.redisTime()) - 600_000);
    expect(await mesh.requeue({ visibilityTimeoutMs: 600_000 })).toEqual([silent.id]);
    expect(await node.renew(claims)).toEqual(claims.slice(1));
    expect(await node.report(claims[0] as Claim, success)).toMatchObject({ settled: 'completed' });
    expect(await mesh.reader.get(lively.id)).toMatchObject({ state: 'completed', handovers: 0 });
  });

  it('accepts the report, the log and the release of a lapsed claim until another node has claimed the task', async () => {
    await enqueueOne();
    await enqueueOne();
    const node = await mesh.node('mac-1');
    const [reported, released] = [await claimNext(node), await claimNext(node)];
    await shiftTimes(mesh.redis, mesh.keys, -3_600_000);
    await node.log(reported, ['a line'], undefined);
    expect(await mesh.redis.llen(`${mesh.keys.task('default', reported.taskId)}:logs`)).toBe(1);
    await mesh.redis.del(`${mesh.keys.task('default', reported.taskId)}:lock`);
    expect(await node.report(reported, success)).toMatchObject({ settled: 'completed' });
    expect(await node.release(released, 'drain')).toBe(true);
    expect(await node.renew([reported, released])).toEqual([reported, released]);
    expect(
      await mesh.redis.exists(...[reported, released].map(({ taskId }) => `${mesh.keys.task('default', taskId)}:lock`)),
    ).toBe(0);
  });

  it('finds every lapsed claim among many active tasks', async () => {
    const node = await mesh.node('mac-1');
    await mesh.producer.enqueue(Array.from({ length: 1_200 }, () => newTask()));
    for (let i = 0; i < 1_200; i++) await claimNext(node);
    const active = await mesh.redis.lrange(mesh.keys.pool('default', 'active'), 0, -1);
    const lapsed = active.filter((_, index) => index % 3 === 0);
    for (const id of lapsed) await mesh.redis.del(`${mesh.keys.task('default', id)}:lock`);
    expect((await mesh.requeue()).sort()).toEqual(lapsed.sort());
  });

  it('queues one task per idempotency key, however many callers enqueue at once', async () => {
    const asked = await Promise.all(
      Array.from({ length: 20 }, () => mesh.producer.enqueue([newTask({ key: 'nightly' })])),
    );
    const ids = new Set(asked.flat().map(({ id }) => id));
    expect(ids.size).toBe(1);
    expect(asked.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect((await mesh.reader.counts(['default'])).get('default')?.waiting).toBe(1);
  });

  it('keeps the idempotency key exactly as long as the ended task', async () => {
    const first = await enqueueOne({ key: 'k' });
    const node = await mesh.node('mac-1', { completedMs: 1 });
    await node.report(await claimNext(node), success);
    expect(await enqueueOne({ key: 'k' })).toEqual({ ...first, duplicate: true });
    await expect.poll(() => node.removeExpired()).toBe(1);
    expect(await enqueueOne({ key: 'k' })).toMatchObject({ duplicate: false });
  });

  it('keeps only the newest ended tasks, and still knows the keys of the others', async () => {
    const node = await mesh.node('mac-1', { keepCount: 2 });
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c']) {
      ids.push((await enqueueOne({ key })).id);
      await node.report(await claimNext(node), success);
    }
    expect(await node.removeExpired()).toBe(1);
    expect((await mesh.reader.list({ limit: 10 })).map((task) => task.id)).toEqual([ids[2], ids[1]]);
    expect(await enqueueOne({ key: 'a' })).toMatchObject({ id: ids[0], duplicate: true });
    expect(await mesh.reader.get(ids[0] as string)).toBeUndefined();
    expect((await mesh.reader.counts(['default'])).get('default')?.waiting).toBe(0);
  });

  it('starts a delayed task when it is due', async () => {
    const { id } = await enqueueOne({ delayMs: 300 });
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'delayed' });
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    const task = await mesh.reader.get(id);
    expect(claim.taskId).toBe(id);
    expect(claim.claimedAt - Date.parse(task?.enqueuedAt ?? '')).toBeGreaterThanOrEqual(300);
  });

  it('waits for work again after Redis was away for longer than a wait, and can be interrupted meanwhile', async () => {
    const own = await SpawnedRedis.start();
    const apart = await openTestMesh(own.url, 'away');
    try {
      const node = await apart.node('mac-1');
      const [task] = await apart.producer.enqueue([newTask({ delayMs: 300 })]);
      expect(await node.claim()).toBeUndefined(); // tells when the next one is due, hence a short wait
      const wait = node.waitForWork();
      await own.down();
      await new Promise((resolve) => setTimeout(resolve, 2_000)); // the outage itself: longer than the wait may take
      await node.interrupt();
      expect(await wait).toBe(false);
      await own.up();
      expect((await claimNext(node)).taskId).toBe(task?.id);
      // The connection that it waits on is back, too.
      await node.claim();
      const [next] = await apart.producer.enqueue([newTask()]);
      expect((await claimNext(node)).taskId).toBe(next?.id);
    } finally {
      await apart.close();
      await own.stop();
    }
  });

  it('ends a blocked wait when it is interrupted, and still wakes another node for the next task', async () => {
    const node = await mesh.node('mac-1');
    await node.claim();
    const blocked = node.waitForWork();
    await node.interrupt();
    expect(await blocked).toBe(false);
    const other = await mesh.node('mac-2');
    const { id } = await enqueueOne();
    expect((await claimNext(other)).taskId).toBe(id);
  });

  it('leaves a wake-up for the next node when it claims a task', async () => {
    const { id } = await enqueueOne();
    const node = await mesh.node('mac-1');
    const marker = mesh.keys.pool('default', 'marker');
    // The wait for work has taken the wake-up.
    await mesh.redis.del(marker);
    expect((await node.claim())?.taskId).toBe(id);
    expect(await mesh.redis.zrange(marker, 0, '-1')).toEqual(['0']);
  });

  it('waits for work again after it was interrupted', async () => {
    const node = await mesh.node('mac-1');
    for (let round = 0; round < 3; round++) {
      await mesh.redis.del(mesh.keys.pool('default', 'marker'));
      await node.claim();
      const blocked = node.waitForWork();
      await node.interrupt();
      expect(await blocked).toBe(false);
      const next = claimNext(node);
      const { id } = await enqueueOne();
      expect((await next).taskId).toBe(id);
    }
  });

  it('keeps the newest log lines of a task and its latest progress', async () => {
    const { id } = await enqueueOne();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await node.log(
      claim,
      Array.from({ length: 1_500 }, (_, index) => `line ${index}`),
      {
        at: new Date().toISOString(),
        note: 'tool bash',
        tokens: 12,
      },
    );
    const task = await mesh.reader.get(id);
    expect(task?.progress).toMatchObject({ note: 'tool bash', tokens: 12 });
    const lines = await mesh.reader.logs(task as NonNullable<typeof task>);
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([1_000, 'line 500', 'line 1499']);
  });

  it('removes ended tasks after their retention', async () => {
    const { id } = await enqueueOne();
    const node = await mesh.node('mac-1', { completedMs: 1 });
    await node.report(await claimNext(node), success);
    await expect.poll(() => node.removeExpired()).toBe(1);
    expect(await mesh.reader.get(id)).toBeUndefined();
  });

  it('fails a task that it cannot read instead of getting stuck on it', async () => {
    const { id } = await enqueueOne();
    const next = await enqueueOne();
    await mesh.redis.hset(mesh.keys.task('default', id), 'data', '{"v":"?"}');
    const node = await mesh.node('mac-1');
    expect((await claimNext(node)).taskId).toBe(next.id);
    expect(await mesh.reader.get(id)).toMatchObject({ state: 'failed', error: { kind: 'invalid' } });
  });
});
