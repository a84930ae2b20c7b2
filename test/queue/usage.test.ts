import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { readUsage, type UsageSum, usageOn } from '../../src/queue/usage.ts';
import { MeshKeys } from '../../src/redis/keys.ts';

const DAY = 20_000;
const DAY_MS = 86_400_000;
const sum = (fields: Partial<UsageSum> = {}): UsageSum => ({
  day: '2024-10-04',
  agent: null,
  model: null,
  tasks: 1,
  input: 2,
  output: 3,
  total: 5,
  cost: null,
  ...fields,
});

it('sums all agents and models of one UTC day', () => {
  const sums = [sum({ agent: 'a' }), sum({ model: 'm', cost: 0.5 }), sum({ cost: 0.25 }), sum({ day: '2024-10-05' })];
  const expected = { day: '2024-10-04', tasks: 3, input: 6, output: 9, total: 15, cost: 0.75 };
  expect(usageOn(sums, DAY * DAY_MS)).toEqual(expected);
  expect(usageOn(sums, (DAY + 1) * DAY_MS - 1)).toEqual(expected);
});

it('reports no cost for a day if none of its sums has one', () => {
  expect(usageOn([sum(), sum()], DAY * DAY_MS).cost).toBeNull();
  expect(usageOn([], DAY * DAY_MS)).toEqual({ day: '2024-10-04', tasks: 0, input: 0, output: 0, total: 0, cost: null });
});

it('reads the last days by Redis time, newest day and largest sum first, and nothing else', async () => {
  const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'm' });
  const days: Record<string, Record<string, string>> = {
    [keys.usage(DAY)]: { '||tasks': '1', '||total': '5', 'a|m|tasks': '2', 'a|m|total': '9', 'a|m|cost': '0.5' },
    [keys.usage(DAY - 1)]: { 'a||tasks': '4', 'a||input': '1', 'a||output': '2', 'a||total': '3' },
  };
  const read: string[] = [];
  const redis = {
    time: async () => [String((DAY * DAY_MS) / 1_000 + 86_399), '999999'],
    hgetall: async (key: string) => {
      read.push(key);
      return days[key] ?? {};
    },
  } as unknown as Redis;
  const none = { input: 0, output: 0 };
  expect(await readUsage(redis, keys, 3)).toEqual([
    sum({ agent: 'a', model: 'm', tasks: 2, ...none, total: 9, cost: 0.5 }),
    sum({ tasks: 1, ...none, total: 5 }),
    sum({ day: '2024-10-03', agent: 'a', tasks: 4, input: 1, output: 2, total: 3 }),
  ]);
  expect(read).toEqual([0, 1, 2].map((ago) => keys.usage(DAY - ago)));
});
