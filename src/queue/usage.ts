import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';
import { redisTime } from '../redis/time.ts';

/** Tokens that completed tasks have used on one day (UTC), for one agent and model. */
export interface UsageSum {
  /** The day (UTC), as `2026-01-31`. */
  readonly day: string;
  /** OpenClaw agent; null for OpenClaw's default. */
  readonly agent: string | null;
  /** Model; null if unknown. */
  readonly model: string | null;
  /** Number of completed tasks. */
  readonly tasks: number;
  /** Tokens of the prompts. */
  readonly input: number;
  /** Tokens of the answers. */
  readonly output: number;
  /** All tokens. */
  readonly total: number;
  /** In the provider's currency; null if unknown. */
  readonly cost: number | null;
}

const DAY_MS = 86_400_000;

/** The total of all agents and models on the day of `now` (ms). */
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

/**
 * The sums of the last `days` days (UTC), the newest first. Each day is a separate hash, so nothing else is read. The
 * step that completes a task updates them (`bullmq/lua/includes/count-usage.lua`).
 */
export async function readUsage(redis: Redis, keys: MeshKeys, days: number): Promise<UsageSum[]> {
  const today = Math.floor((await redisTime(redis)) / DAY_MS);
  const numbers = Array.from({ length: days }, (_, ago) => today - ago);
  const hashes = await Promise.all(numbers.map((day) => redis.hgetall(keys.usage(day))));
  return hashes.flatMap((hash, ago) => sumsOf(new Date((today - ago) * DAY_MS).toISOString().slice(0, 10), hash));
}

/** The sums of one day, the largest first. */
function sumsOf(day: string, hash: Readonly<Record<string, string>>): UsageSum[] {
  const rows = new Map<string, Map<string, number>>();
  for (const [field, value] of Object.entries(hash)) {
    const [agent = '', model = '', what = ''] = field.split('|');
    const row = [agent, model].join('|');
    const sums = rows.get(row) ?? new Map<string, number>();
    rows.set(row, sums.set(what, Number(value)));
  }
  return [...rows]
    .map(([row, sums]) => {
      const [agent, model] = row.split('|');
      const number = (what: string) => sums.get(what) ?? 0;
      return {
        day,
        agent: agent || null,
        model: model || null,
        tasks: number('tasks'),
        input: number('input'),
        output: number('output'),
        total: number('total'),
        cost: sums.get('cost') ?? null,
      };
    })
    .sort((a, b) => b.total - a.total);
}
