import { beforeEach, describe, expect, it } from 'vitest';
import type { Destination } from '../../src/domain/delivery.ts';
import { taskError } from '../../src/domain/task.ts';
import { expireDeliveries, Outbox, readOutboxes } from '../../src/queue/bullmq/outbox.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { TaskProducer } from '../../src/queue/bullmq/task-producer.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

const SLACK: Destination = { channel: 'slack', to: 'C1', thread: '17.5' };

describe('the outbox of a channel', () => {
  const current = meshPerTest('outbox');
  let mesh: TestMesh;
  let node: PoolConsumer;
  beforeEach(async () => {
    mesh = current();
    node = await mesh.node('mac-1');
  });
  const signer = () => new TaskSigner([], mesh.keys.bullPrefix);
  const outboxOf = async (nodeId: string, signs = signer()) => {
    const incarnation = Number(await mesh.redis.hget(mesh.keys.incarnations, nodeId));
    return new Outbox(mesh.redis, mesh.keys, { nodeId, incarnation }, signs);
  };
  const completed = async (deliver: Destination = SLACK, more = {}) => {
    const [task] = await mesh.producer.enqueue([newTask({ deliver, ...more })]);
    await node.report(await claimNext(node), success);
    return task?.id ?? '';
  };

  it('has the answer from the step in which the task ended, with its recipient and a key of its own', async () => {
    const id = await completed();
    const { delivery } = await (await outboxOf('mac-1')).take(['slack']);
    expect(delivery).toMatchObject({
      taskId: id,
      pool: 'default',
      box: 'slack',
      tries: 0,
      idempotencyKey: `clawmesh-${id}-answer-1`,
      content: { destination: SLACK, answer: { taskId: id, result: { text: 'done' }, error: null } },
    });
    expect(await mesh.reader.get(id)).toMatchObject({ delivery: { state: 'pending', to: 'slack:C1', at: null } });
  });

  it('announces the answer to all nodes', async () => {
    const listener = mesh.redis.duplicate();
    const heard: string[] = [];
    listener.on('message', (_, text) => heard.push(text));
    await listener.subscribe(mesh.keys.meshChannel);
    await completed();
    await expect.poll(() => heard).toEqual(['deliver slack']);
    listener.disconnect();
  });

  it('gives an answer to one node at a time, and to the next one when its reservation has lapsed', async () => {
    await mesh.node('mac-2');
    const [one, two] = [await outboxOf('mac-1'), await outboxOf('mac-2')];
    const id = await completed();
    const first = (await one.take(['slack'])).delivery;
    expect(await two.take(['slack'])).toMatchObject({ delivery: undefined, nextDueInMs: expect.any(Number) });
    await mesh.redis.zadd(mesh.keys.outbox('slack'), 'XX', 1, `default ${id}`);
    const second = (await two.take(['slack'])).delivery;
    expect(second).toMatchObject({ taskId: id, idempotencyKey: first?.idempotencyKey });
    if (!first || !second) throw new Error('not taken');
    expect(await one.report(first, { outcome: 'failed', reason: 'late' })).toBe(false);
    expect(await two.report(second, { outcome: 'delivered' })).toBe(true);
    expect(await mesh.reader.get(id)).toMatchObject({ delivery: { state: 'delivered', at: expect.any(String) } });
    expect(await readOutboxes(mesh.redis, mesh.keys)).toEqual([]);
  });

  it('refuses a fenced incarnation', async () => {
    const earlier = await outboxOf('mac-1');
    await completed();
    const taken = (await earlier.take(['slack'])).delivery;
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.node('mac-1');
    await expect(earlier.take(['slack'])).rejects.toMatchObject({ code: 'fenced' });
    if (!taken) throw new Error('not taken');
    await expect(earlier.report(taken, { outcome: 'delivered' })).rejects.toMatchObject({ code: 'fenced' });
  });

  it('keeps the answers of each channel and account apart', async () => {
    const ids = [await completed(), await completed({ channel: 'slack', account: 'work', to: 'C2' })];
    const outbox = await outboxOf('mac-1');
    expect((await outbox.take(['telegram', '@webhook'])).delivery).toBeUndefined();
    expect((await outbox.take(['slack/work'])).delivery?.taskId).toBe(ids[1]);
    expect((await outbox.take(['slack'])).delivery?.taskId).toBe(ids[0]);
  });

  it('counts failed tries, and offers the answer again after the pause', async () => {
    const id = await completed();
    const outbox = await outboxOf('mac-1');
    const { delivery } = await outbox.take(['slack']);
    if (!delivery) throw new Error('not taken');
    await outbox.report(delivery, { outcome: 'postponed', reason: 'the gateway is away', pauseMs: 40_000 });
    const { nextDueInMs } = await outbox.take(['slack']);
    expect(nextDueInMs).toBeGreaterThan(30_000);
    expect(await mesh.reader.get(id)).toMatchObject({
      delivery: { state: 'pending', tries: 1, reason: 'the gateway is away' },
    });
  });

  it('has another key after a refusal, which the gateway would repeat, and the same one after any other failure', async () => {
    const id = await completed();
    const outbox = await outboxOf('mac-1');
    const keys: (string | undefined)[] = [];
    for (const newKey of [false, true, false]) {
      const { delivery } = await outbox.take(['slack']);
      keys.push(delivery?.idempotencyKey);
      if (delivery) await outbox.report(delivery, { outcome: 'postponed', reason: 'away', pauseMs: 0, newKey });
    }
    expect(keys).toEqual([1, 1, 2].map((n) => `clawmesh-${id}-answer-${n}`));
  });

  it('goes to the next incarnation of the node that was sending it, whose gateway still knows the key', async () => {
    const id = await completed();
    await mesh.node('mac-2');
    const first = (await (await outboxOf('mac-1')).take(['slack'])).delivery;
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.node('mac-1');
    const [one, two] = [await outboxOf('mac-1'), await outboxOf('mac-2')];
    expect((await two.take(['slack'], { resumes: true })).delivery).toBeUndefined();
    expect((await one.take(['slack'])).delivery).toBeUndefined();
    const { delivery } = await one.take(['slack'], { resumes: true });
    expect(delivery).toMatchObject({ taskId: id, idempotencyKey: first?.idempotencyKey });
    expect((await one.take(['slack'], { resumes: true })).delivery).toBeUndefined();
    expect(delivery && (await one.report(delivery, { outcome: 'delivered' }))).toBe(true);
  });

  it('stays with the node that may have sent it', async () => {
    const id = await completed();
    await mesh.node('mac-2');
    const [one, two] = [await outboxOf('mac-1'), await outboxOf('mac-2')];
    const { delivery } = await one.take(['slack']);
    if (!delivery) throw new Error('not taken');
    expect(await one.report(delivery, { outcome: 'uncertain', reason: 'gateway closed' })).toBe(true);
    expect((await two.take(['slack'])).nextDueInMs).toBeGreaterThan(250_000);
    expect(await mesh.reader.get(id)).toMatchObject({
      delivery: { state: 'pending', reason: 'gateway closed', tries: 1 },
    });
    expect(await one.report(delivery, { outcome: 'delivered' })).toBe(true);
  });

  it('sends an end after a retry as a delivery of its own, and drops the pending one of the failure', async () => {
    const [task] = await mesh.producer.enqueue([newTask({ deliver: SLACK })]);
    const id = task?.id ?? '';
    await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'no') });
    await mesh.control.retry({ id, pool: 'default' });
    expect(await readOutboxes(mesh.redis, mesh.keys)).toEqual([]);
    await node.report(await claimNext(node), success);
    const { delivery } = await (await outboxOf('mac-1')).take(['slack']);
    expect(delivery).toMatchObject({ idempotencyKey: `clawmesh-${id}-answer-2`, content: { answer: { error: null } } });
  });

  it('sends a redelivery with another key, since the gateway would drop a repeated one', async () => {
    const id = await completed();
    const outbox = await outboxOf('mac-1');
    const first = (await outbox.take(['slack'])).delivery;
    if (first) await outbox.report(first, { outcome: 'delivered' });
    expect(await mesh.control.redeliver({ id, pool: 'default' })).toBe('pending');
    expect((await outbox.take(['slack'])).delivery?.idempotencyKey).toBe(`clawmesh-${id}-answer-2`);
  });

  it('says why there is nothing to redeliver', async () => {
    const [open, silent] = await mesh.producer.enqueue([newTask({ deliver: SLACK, delayMs: 60_000 }), newTask()]);
    await node.report(await claimNext(node), success);
    expect(await mesh.control.redeliver({ id: open?.id ?? '', pool: 'default' })).toBe('open');
    expect(await mesh.control.redeliver({ id: silent?.id ?? '', pool: 'default' })).toBe('none');
    expect(await mesh.control.redeliver({ id: 'nosuch', pool: 'default' })).toBe('gone');
  });

  it('refuses to send what was altered in Redis', async () => {
    const signs = new TaskSigner(['the signing key of this mesh'], mesh.keys.bullPrefix);
    const producer = new TaskProducer(mesh.redis, mesh.keys, { signer: signs });
    const [task] = await producer.enqueue([newTask({ deliver: SLACK })]);
    await node.report(await claimNext(node), success);
    const key = mesh.keys.task('default', task?.id ?? '');
    const data = JSON.parse((await mesh.redis.hget(key, 'data')) ?? '');
    await mesh.redis.hset(key, 'data', JSON.stringify({ ...data, deliver: { channel: 'slack', to: 'C-thief' } }));
    const { delivery } = await (await outboxOf('mac-1', signs)).take(['slack']);
    expect(delivery?.content).toEqual({ problem: expect.stringContaining('signature') });
  });

  it('survives entries whose task is gone or is no task', async () => {
    const box = mesh.keys.outbox('slack');
    await mesh.redis.set(mesh.keys.task('default', 'odd'), 'not a hash');
    await mesh.redis.zadd(box, 1, 'default gone', 1, 'default odd', 1, 'nonsense');
    const id = await completed();
    expect((await (await outboxOf('mac-1')).take(['slack'])).delivery?.taskId).toBe(id);
    expect(await mesh.redis.zcard(box)).toBe(1);
  });

  it('gives up answers that no node has taken for too long, with an event, and forgets the empty outbox', async () => {
    const id = await completed({ channel: 'nosuch', to: 'x' });
    await mesh.redis.zadd(mesh.keys.outbox('nosuch'), 'XX', 1, `default ${id}`);
    expect(await expireDeliveries(mesh.redis, mesh.keys, 60_000)).toBe(1);
    expect(await mesh.reader.get(id)).toMatchObject({
      delivery: { state: 'failed', reason: 'no node had the channel nosuch in time' },
    });
    expect(await mesh.redis.smembers(mesh.keys.outboxes)).toEqual([]);
    const [entry] = await mesh.redis.xrevrange(mesh.keys.events, '+', '-', 'COUNT', 1);
    expect(entry?.[1]).toEqual(expect.arrayContaining(['delivery-failed', id]));
  });

  it('leaves nothing behind when the task is removed', async () => {
    const id = await completed();
    await mesh.control.remove({ id, pool: 'default' });
    expect(await readOutboxes(mesh.redis, mesh.keys)).toEqual([]);
  });

  it('gets the answers of a schedule, whose tasks have the recipient of its template', async () => {
    await mesh.schedules.add('nightly', { everyMs: 3_600_000 }, newTask({ deliver: SLACK }));
    await node.report(await claimNext(node), success);
    expect((await (await outboxOf('mac-1')).take(['slack'])).delivery?.taskId).toMatch(/^repeat:nightly:/);
  });
});
