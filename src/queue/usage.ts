import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';

/** Tokens that completed tasks have used on one day (UTC), of one agent and model. */
export interface UsageSum {
  readonly day: string;
  readonly agent: string | null;
  readonly model: string | null;
  readonly tasks: number;
  readonly input: number;
  readonly output: number;
  readonly total: number;
  /** In the provider's currency; null where it was not known. */
  readonly cost: number | null;
}

const DAY_MS = 86_400_000;

/** All agents and models together on the day of `now` (ms). */
export function usageOn(sums: readonly UsageSum[], now: number): Omit<UsageSum, 'agent' | 'model'> {
  const day = new Date(now).toISOString().slice(0, 10);
  const total = { day, tasks: 0, input: 0, output: 0, total: 0, cost: null as number | null };
  for (const sum of sums.filter((candidate) => candidate.day === day)) {
    total.tasks += sum.tasks;
    total.input += sum.input;
    total.output += sum.output;
    total.total += sum.total;
    if (sum.cost !== null) total.cost = (total.cost ?? 0) + sum.cost;
  }
  return total;
}

/** The sums of all days, the newest first. They are counted in the step that completes a task (finished.epilogue.lua). */
export async function readUsage(redis: Redis, keys: MeshKeys): Promise<UsageSum[]> {
  const sums = new Map<string, Map<string, number>>();
  for (const [field, value] of Object.entries(await redis.hgetall(keys.usage))) {
    const [day = '', agent = '', model = '', what = ''] = field.split('|');
    const row = [day, agent, model].join('|');
    const sum = sums.get(row) ?? new Map<string, number>();
    sums.set(row, sum.set(what, Number(value)));
  }
  return [...sums]
    .map(([row, sum]) => {
      const [day = '', agent, model] = row.split('|');
      const number = (what: string) => sum.get(what) ?? 0;
      return {
        day: new Date(Number(day) * DAY_MS).toISOString().slice(0, 10),
        agent: agent || null,
        model: model || null,
        tasks: number('tasks'),
        input: number('input'),
        output: number('output'),
        total: number('total'),
        cost: sum.get('cost') ?? null,
      };
    })
    .sort((a, b) => b.day.localeCompare(a.day) || b.total - a.total);
}
