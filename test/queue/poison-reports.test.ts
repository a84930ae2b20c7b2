import { expect, it } from 'vitest';
import type { Outcome, Usage } from '../../src/domain/task.ts';
import { readUsage } from '../../src/queue/usage.ts';
import { claimNext, idleOffer, meshPerTest, newTask, success } from '../support/pool.ts';

const mesh = meshPerTest('poison');
const used = (usage: Usage): Outcome => ({ ok: true, result: { ...success.result, usage } });

it.each<[string, Usage]>([
  ['fractions', { input: 11.5, output: 1, total: 12.5 }],
  ['more than a counter holds', { input: 2 ** 63, output: 1, total: 2 ** 64 }],
  ['no number', { input: Number.NaN, output: 1, total: 1 }],
  ['a cost without end', { input: 1, output: 1, total: 2, cost: Number.POSITIVE_INFINITY }],
])(
  'completes a task with its first report although its usage cannot be summed up (%s), and claims the next',
  async (_, usage) => {
    const { producer, reader, redis, keys, node } = mesh();
    const [first, second] = await producer.enqueue([newTask(), newTask()]);
    const consumer = await node('mac-1');
    const claim = await claimNext(consumer);
    const { settled, next } = await consumer.report(claim, used(usage), idleOffer);
    expect([settled, next?.taskId]).toEqual(['completed', second?.id]);
    expect(await reader.get(first?.id ?? '')).toMatchObject({ state: 'completed', result: { text: 'done' } });
    expect(await readUsage(redis, keys, 1)).toMatchObject([{ tasks: 1 }]);
  },
);

it('counts no usage and no dead letter for a report that is refused since the task was requeued', async () => {
  const { producer, redis, keys, node, requeue } = mesh();
  await producer.enqueue([newTask()]);
  const consumer = await node('mac-1');
  const claim = await claimNext(consumer);
  await redis.del(`${keys.task('default', claim.taskId)}:lock`);
  expect(await requeue()).toEqual([claim.taskId]);
  const failed: Outcome = { ok: false, error: { kind: 'invalid', message: 'no', retryable: false } };
  await expect(consumer.report(claim, used({ input: 1, output: 1, total: 2 }))).rejects.toMatchObject({
    code: 'claim-lost',
  });
  await expect(consumer.report(claim, failed)).rejects.toMatchObject({ code: 'claim-lost' });
  expect(await readUsage(redis, keys, 1)).toEqual([]);
  expect(JSON.stringify(await redis.xrange(keys.events, '-', '+'))).not.toContain('dead-letter');
});

it('counts the usage once of a report that is sent again after its reply was lost', async () => {
  const { producer, redis, keys, node } = mesh();
  await producer.enqueue([newTask()]);
  const consumer = await node('mac-1');
  const claim = await claimNext(consumer);
  for (let i = 0; i < 3; i++) await consumer.report(claim, used({ input: 1, output: 2, total: 3 }));
  expect(await readUsage(redis, keys, 1)).toMatchObject([{ tasks: 1, input: 1, output: 2, total: 3 }]);
});

it('counts a repeated failure report at most once for the circuit of its provider', async () => {
  const { producer, redis, keys, node, requeue } = mesh();
  await producer.enqueue([newTask()]);
  const consumer = await node('mac-1');
  const claim = await claimNext(consumer);
  const failed: Outcome = { ok: false, error: { kind: 'provider', message: 'HTTP 500', retryable: true } };
  await redis.del(`${keys.task('default', claim.taskId)}:lock`);
  expect(await requeue()).toEqual([claim.taskId]);
  for (let i = 0; i < 5; i++)
    await expect(consumer.report(claim, failed)).rejects.toMatchObject({ code: 'claim-lost' });
  const circuits = Object.values(await redis.hgetall(keys.circuits)).map((text) => JSON.parse(text).failures);
  expect(circuits.every((failures) => failures <= 1)).toBe(true);
});
