import { expect, it } from 'vitest';
import { claimNext, meshPerTest, newTask } from '../support/pool.ts';

const mesh = meshPerTest('poisoned-sweep');

it.each<[string, (key: string) => [string, ...string[]][]]>([
  ['counts that are no numbers', (key) => [['hset', key, 'cm:handovers', 'x', 'cm:lost', '1.5']]],
  [
    'a hash that is none',
    (key) => [
      ['del', key],
      ['set', key, 'x'],
    ],
  ],
  ['a hash that is gone', (key) => [['del', key]]],
])('requeues the other tasks although one has %s', async (_, spoil) => {
  const { producer, node, redis, keys, registry, requeue, reader } = mesh();
  const tasks = await producer.enqueue([newTask(), newTask(), newTask()]);
  const lost = await node('mac-1');
  for (let i = 0; i < 3; i++) await claimNext(lost);
  const [, poisoned] = tasks;
  for (const [command, ...args] of spoil(keys.task('default', poisoned?.id ?? ''))) await redis.call(command, ...args);
  await registry.evict('mac-1', 15_000);
  await requeue();
  for (const task of [tasks[0], tasks[2]]) expect(await reader.get(task?.id ?? '')).toMatchObject({ state: 'waiting' });
  expect(await redis.llen(keys.pool('default', 'active'))).toBe(0);
});

it('requeues the tasks of a death whose record cannot be read', async () => {
  const { producer, node, redis, keys, registry, requeue } = mesh();
  const [task] = await producer.enqueue([newTask()]);
  await claimNext(await node('mac-1'));
  await registry.evict('mac-1', 15_000);
  for (const death of await redis.hkeys(keys.deaths)) await redis.hset(keys.deaths, death, '{"reason":');
  expect(await requeue()).toEqual([task?.id]);
});
