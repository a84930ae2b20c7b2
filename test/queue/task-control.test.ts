import { beforeEach, describe, expect, it } from 'vitest';
import { type Task, taskError } from '../../src/domain/task.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';

describe('control of tasks by an operator', () => {
  let mesh: TestMesh;
  const current = meshPerTest('c');
  beforeEach(() => {
    mesh = current();
  });

  const enqueue = async (fields: Parameters<typeof newTask>[0] = {}): Promise<Task> => {
    const [enqueued] = await mesh.producer.enqueue([newTask(fields)]);
    return read(enqueued?.id ?? '');
  };
  const read = async (id: string) => (await mesh.reader.get(id)) as Task;
  const events = async (id: string) => (await read(id)).history.map((entry) => entry.event);
  const invalid = { ok: false, error: taskError('invalid', 'no such model') } as const;

  it.each([
    ['waiting', {}],
    ['waiting', { priority: 3 }],
    ['delayed', { delayMs: 60_000 }],
  ] as const)('cancels a %s task at once (%j)', async (state, fields) => {
    const task = await enqueue(fields);
    expect(task.state).toBe(state);
    expect(await mesh.control.cancel(task, 'by mac-9')).toBe('cancelled');
    expect(await read(task.id)).toMatchObject({
      state: 'cancelled',
      error: { kind: 'cancelled', message: 'by mac-9', retryable: false },
      finishedAt: expect.any(String),
    });
    expect(await mesh.control.cancel(task, 'again')).toBe('ended');
    expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ cancelled: 1, failed: 0 });
    expect(await (await mesh.node('mac-1')).claim()).toBeUndefined();
  });

  it('returns who runs a task that it cancels, and ends it as cancelled with the report', async () => {
    const { id } = await enqueue();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(await mesh.control.cancel(await read(id), 'by hand')).toEqual({ token: claim.token });
    expect((await read(id)).state).toBe('active');
    await node.report(claim, { ok: false, error: taskError('cancelled', 'cancelled while it ran') });
    expect(await read(id)).toMatchObject({ state: 'cancelled', node: 'mac-1' });
    expect(await events(id)).toEqual(['enqueued', 'claimed', 'cancelled']);
  });

  it('keeps the completion of a run that completed before its cancellation', async () => {
    const { id } = await enqueue();
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await mesh.control.cancel(await read(id), 'by hand');
    await node.report(claim, success);
    expect(await read(id)).toMatchObject({ state: 'completed' });
    expect(await mesh.control.cancel(await read(id), 'by hand')).toBe('ended');
  });

  it('ends a cancelled task when its node is lost, instead of running it again', async () => {
    const { id } = await enqueue();
    await claimNext(await mesh.node('mac-1'));
    await mesh.control.cancel(await read(id), 'by hand');
    await mesh.registry.evict('mac-1', 15_000);
    await mesh.requeue();
    expect(await read(id)).toMatchObject({ state: 'cancelled', error: { kind: 'cancelled' } });
  });

  it('ends a cancelled task even if its failed run would have another attempt', async () => {
    const { id } = await enqueue({ backoffMs: 1 });
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    await mesh.control.cancel(await read(id), 'by hand');
    await node.report(claim, { ok: false, error: taskError('crash', 'x') });
    await expect
      .poll(async () => {
        await node.claim();
        return (await read(id)).state;
      })
      .toBe('cancelled');
  });

  it('queues a failed task again, with all its attempts and its whole history', async () => {
    const { id } = await enqueue({ attempts: 2, key: 'k' });
    const node = await mesh.node('mac-1');
    await node.report(await claimNext(node), invalid);
    expect(await mesh.control.retry(await read(id))).toBe('waiting');
    expect(await read(id)).toMatchObject({
      state: 'waiting',
      error: null,
      finishedAt: null,
      attempts: { made: 1, max: 3 },
    });
    // Why it failed is told by its history alone from here on.
    expect((await read(id)).history.find(({ event }) => event === 'failed')).toMatchObject({ reason: 'no such model' });
    const claim = await claimNext(node);
    expect(claim).toMatchObject({ taskId: id, attempt: 2, maxAttempts: 3 });
    await node.report(claim, success);
    expect(await events(id)).toEqual(['enqueued', 'claimed', 'failed', 'retry', 'claimed', 'completed']);
    expect(await mesh.control.retry(await read(id))).toBe('completed');
    expect((await mesh.producer.enqueue([newTask({ key: 'k' })]))[0]).toMatchObject({ id, duplicate: true });
  });

  it('queues a cancelled task again that never ran', async () => {
    const task = await enqueue({ priority: 4 });
    await mesh.control.cancel(task, 'by hand');
    expect(await mesh.control.retry(await read(task.id))).toBe('waiting');
    expect(await claimNext(await mesh.node('mac-1'))).toMatchObject({ taskId: task.id, attempt: 1 });
    expect(await events(task.id)).toEqual(['enqueued', 'cancelled', 'enqueued', 'claimed']);
    expect(await mesh.control.retry(await read(task.id))).toBe('open');
  });

  it('removes a task that does not run, and frees its key', async () => {
    const task = await enqueue({ key: 'k' });
    expect(await mesh.control.remove(task)).toBe('removed');
    expect(await mesh.reader.get(task.id)).toBeUndefined();
    expect(await mesh.control.remove(task)).toBe('gone');
    const again = await enqueue({ key: 'k' });
    expect(again.id).not.toBe(task.id);
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(await mesh.control.remove(again)).toBe('active');
    await node.report(claim, success);
    expect(await mesh.control.remove(await read(again.id))).toBe('removed');
    expect(await mesh.redis.keys(`${mesh.keys.task('default', again.id)}*`)).toEqual([]);
  });

  it.each([
    // The reason begins with 10 bytes for `provider: `.
    ['é', 1, 994],
    ['é', 0, 995],
    ['日', 1, 663],
    ['😀', 2, 497],
    ['😀', 3, 496],
    ['a', 0, 1_990],
  ])('keeps the beginning of a long reason of %s in the history, in whole characters', async (letter, before, kept) => {
    const task = await enqueue();
    const node = await mesh.node('mac-1');
    const message = 'x'.repeat(before) + letter.repeat(3_000);
    await node.report(await claimNext(node), { ok: false, error: taskError('provider', message) });
    const { history } = await read(task.id);
    const reason = history.find(({ event }) => event === 'retry')?.reason ?? '';
    const letters = [...reason.slice(`provider: ${'x'.repeat(before)}`.length)];
    expect([letters.length, ...new Set(letters)]).toEqual([kept, letter]);
  });

  it('removes only failed tasks if asked to', async () => {
    const task = await enqueue();
    const remove = async () => mesh.control.remove(await read(task.id), { only: 'failed' });
    expect(await remove()).toBe('other');
    const node = await mesh.node('mac-1');
    const claim = await claimNext(node);
    expect(await remove()).toBe('other');
    await node.report(claim, invalid);
    expect(await remove()).toBe('removed');
    expect(await mesh.reader.get(task.id)).toBeUndefined();
  });

  it('removes a task only in the state in which it was selected', async () => {
    const node = await mesh.node('mac-1');
    const states = ['waiting', 'completed', 'failed', 'cancelled'] as const;
    for (const state of states) {
      const task = await enqueue(state === 'waiting' ? { delayMs: 60_000 } : {});
      if (state === 'cancelled') await mesh.control.cancel(task, 'by hand');
      else if (state !== 'waiting') await node.report(await claimNext(node), state === 'failed' ? invalid : success);
      for (const only of states.filter((other) => other !== state)) {
        expect(await mesh.control.remove(task, { only }), `${state}, not ${only}`).toBe('other');
      }
      expect(await mesh.control.remove(task, { only: state })).toBe('removed');
    }
  });
});
