import { beforeEach, describe, expect, it } from 'vitest';
import { type Task, taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { EventLog } from '../../src/registry/event-log.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

describe('a task that comes after others', () => {
  let mesh: TestMesh;
  const current = meshPerTest('f');
  beforeEach(() => {
    mesh = current();
  });

  const enqueue = async (fields: Parameters<typeof newTask>[0] = {}): Promise<Task> => {
    const [enqueued] = await mesh.producer.enqueue([newTask(fields)]);
    return read(enqueued?.id ?? '');
  };
  const read = async (id: string) => (await mesh.reader.get(id)) as Task;
  const release = async () => {
    const { released, failed } = await releaseHeld(mesh.redis, mesh.keys);
    return { released, failed };
  };

  it('waits until the earlier tasks have completed, in any pool', async () => {
    const [first, second] = [await enqueue(), await enqueue({ pool: 'xcode' })];
    const last = await enqueue({ after: [first, second] });
    expect(last).toMatchObject({ state: 'waiting', heldBy: 'after' });
    expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ waiting: 2, delayed: 0 });
    const node = await mesh.node('mac-1');
    const xcode = await mesh.node('mac-2', { pool: 'xcode' });
    await node.report(await claimNext(node), success);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    expect(await node.claim()).toBeUndefined();
    await xcode.report(await claimNext(xcode), success);
    expect(await release()).toEqual({ released: 1, failed: 0 });
    expect((await claimNext(node)).taskId).toBe(last.id);
    expect(await mesh.redis.smembers(mesh.keys.held)).toEqual([]);
  });

  it('holds a task once only: its next attempt waits just for its time', async () => {
    const first = await enqueue();
    const second = await enqueue({ after: [first], backoffMs: 60_000 });
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    await release();
    await node.report(await claimNext(node), { ok: false, error: taskError('crash', 'x') });
    expect(await read(second.id)).toMatchObject({ state: 'delayed', heldBy: null });
  });

  it('waits for the earlier tasks even if it is queued again before they have completed', async () => {
    const first = await enqueue();
    const second = await enqueue({ after: [first] });
    await mesh.control.cancel(second, 'by hand');
    expect(await mesh.control.retry(await read(second.id))).toBe('waiting');
    expect(await read(second.id)).toMatchObject({ state: 'waiting', heldBy: 'after' });
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(claim.taskId).toBe(first.id);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    expect(await node.claim()).toBeUndefined();
    await node.report(claim, success);
    expect(await release()).toEqual({ released: 1, failed: 0 });
    expect((await claimNext(node)).taskId).toBe(second.id);
  });

  it('does not wait for the earlier tasks again once it has run', async () => {
    const first = await enqueue();
    const second = await enqueue({ after: [first] });
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    await release();
    await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'x') });
    await mesh.control.remove(await read(first.id));
    await mesh.control.retry(await read(second.id));
    expect((await claimNext(node)).taskId).toBe(second.id);
  });

  it('limits the quoted text, since a short message may name a long answer a thousand times', async () => {
    const first = await enqueue();
    await enqueue({ message: `{{result:${first.id}}} `.repeat(25_000), after: [first] });
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), { ok: true, result: { ...success.result, text: 'x'.repeat(1_000_000) } });
    await release();
    const claim = await claimNext(node);
    await expect(node.renderMessage(claim)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('quoted results'),
    });
  });

  it('quotes the answers of the earlier tasks in the message', async () => {
    const first = await enqueue();
    const quoting = await enqueue({ message: `sum up: {{result:${first.id}}}`, after: [first] });
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    await release();
    const claim = await claimNext(node);
    expect(claim.taskId).toBe(quoting.id);
    expect(await node.renderMessage(claim)).toBe('sum up: done');
    await mesh.control.remove(await read(first.id));
    await expect(node.renderMessage(claim)).rejects.toThrow(`{{result:${first.id}}}: this task has no result`);
  });

  it.each(['failed', 'cancelled', 'removed'])(
    'fails a task with the reason if an earlier task is %s, and so on down the chain',
    async (how) => {
      const first = await enqueue();
      const second = await enqueue({ after: [first] });
      const third = await enqueue({ after: [second] });
      const node = await mesh.node('mac-1');
      if (how === 'failed') {
        await node.report(await claimNext(node), { ok: false, error: taskError('invalid', 'x') });
      } else if (how === 'cancelled') await mesh.control.cancel(first, 'by hand');
      else await mesh.control.remove(first);
      await release();
      await release();
      for (const { id, before } of [
        { id: second.id, before: first.id },
        { id: third.id, before: second.id },
      ]) {
        const task = await read(id);
        expect(task).toMatchObject({ state: 'failed', error: { kind: 'invalid', retryable: false } });
        expect(task.error?.message).toContain(`it waits for task ${before}, which `);
      }
    },
  );

  it('records an event when it fails because an earlier task did, as for any other failed task', async () => {
    const first = await enqueue();
    const second = await enqueue({ after: [first] });
    await mesh.control.cancel(first, 'by hand');
    expect(await release()).toEqual({ released: 0, failed: 1 });
    const { error } = await read(second.id);
    expect(await new EventLog(mesh.redis, mesh.keys).newest({ limit: 10 })).toMatchObject([
      { event: 'dead-letter', task: second.id, pool: 'default', node: null, reason: error?.message },
    ]);
  });

  it('cancels a task while it waits for others', async () => {
    const first = await enqueue();
    const second = await enqueue({ after: [first] });
    expect(await mesh.control.cancel(second, 'by hand')).toBe('cancelled');
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), success);
    expect(await release()).toEqual({ released: 0, failed: 0 });
    expect(await read(second.id)).toMatchObject({ state: 'cancelled' });
  });

  it('releases the right task among many that wait longer', async () => {
    const [slow, quick] = [await enqueue(), await enqueue()];
    await mesh.producer.enqueue(Array.from({ length: 500 }, () => newTask({ after: [slow] })));
    const last = await enqueue({ after: [quick] });
    const node = await mesh.node('mac-1');
    await claimNext(node);
    await node.report(await claimNext(node), success);
    expect(await release()).toEqual({ released: 1, failed: 0 });
    expect((await claimNext(node)).taskId).toBe(last.id);
  });

  it('is released by one look at all, although many before it have vanished', async () => {
    const [slow, quick] = [await enqueue(), await enqueue()];
    const gone = await mesh.producer.enqueue(Array.from({ length: 450 }, () => newTask({ after: [slow] })));
    const last = await enqueue({ after: [quick] });
    const node = await mesh.node('mac-1');
    await claimNext(node);
    await node.report(await claimNext(node), success);
    await mesh.redis.del(...gone.map(({ id }) => mesh.keys.task('default', id)));
    expect(await release()).toEqual({ released: 1, failed: 0 });
    expect((await claimNext(node)).taskId).toBe(last.id);
  });
});
