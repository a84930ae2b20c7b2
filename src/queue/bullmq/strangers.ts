import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../../redis/keys.ts';
import { readField } from './task-fields.ts';

/** Number of newest tasks to check per pool and state: enough to notice a stranger, within a few milliseconds. */
const LOOKED_AT = 20;
/** Tasks taken longer ago than this do not count, ms. */
const RECENT_MS = 86_400_000;

/** What BullMQ workers of other programs do in a pool of the mesh. */
export interface Strangers {
  readonly pool: string;
  /** Names of connected workers, '' for one without a name; empty if this user may not ask Redis. */
  readonly connected: readonly string[];
  /** Of the checked tasks, the number that such a worker runs, or has ended within a day. */
  readonly taken: number;
  /** Number of checked tasks. */
  readonly of: number;
  /** Names of such workers. */
  readonly names: readonly string[];
}

/**
 * Connections whose user may not list the clients of Redis. Each further attempt would appear in Redis' log of denied
 * commands.
 */
const denied = new WeakSet<Redis>();

/**
 * Looks for BullMQ workers in our pools that are not nodes: they take tasks without running them through OpenClaw.
 * `now` is Redis time, ms. Pools without any are left out.
 */
export async function findStrangers(
  redis: Redis,
  keys: MeshKeys,
  pools: readonly string[],
  now: number,
): Promise<Strangers[]> {
  const [clients, ...seen] = await Promise.all([
    clientNames(redis),
    ...pools.map((pool) => takenBy(redis, keys, pool, now)),
  ]);
  return seen.flatMap(({ pool, taken, of }) => {
    // BullMQ names the connections of its workers like this.
    const worker = `${keys.bullPrefix}:${Buffer.from(pool).toString('base64')}`;
    const connected = clients
      .filter((name) => name === worker || name.startsWith(`${worker}:w:`))
      .map((name) => name.slice(`${worker}:w:`.length));
    const names = new Set([...taken, ...connected].filter((name) => name !== ''));
    return taken.length + connected.length > 0
      ? [{ pool, connected, taken: taken.length, of, names: [...names].sort() }]
      : [];
  });
}

interface Taken {
  readonly pool: string;
  /** The name of the worker, for each task that a stranger took. */
  readonly taken: readonly string[];
  readonly of: number;
}

async function takenBy(redis: Redis, keys: MeshKeys, pool: string, now: number): Promise<Taken> {
  const last = LOOKED_AT - 1;
  const [active, completed, failed] = await Promise.all([
    redis.lrange(keys.pool(pool, 'active'), 0, last),
    redis.zrevrange(keys.pool(pool, 'completed'), 0, last, 'WITHSCORES'),
    redis.zrevrange(keys.pool(pool, 'failed'), 0, last, 'WITHSCORES'),
  ]);
  const recent = (pairs: readonly string[]) =>
    pairs.filter((_, index) => index % 2 === 0 && now - Number(pairs[index + 1]) < RECENT_MS);
  const ids = [
    ...active.map((id) => ({ id, state: 'active' as const })),
    ...recent(completed).map((id) => ({ id, state: 'completed' as const })),
    ...recent(failed).map((id) => ({ id, state: 'failed' as const })),
  ];
  const tasks = await Promise.all(
    ids.map(async ({ id, state }) => {
      const key = keys.task(pool, id);
      const [by = null, error = null] = await redis.hmget(key, 'pb', 'cm:error');
      return { key, state, by, error };
    }),
  );
  const nodes = new Map<string, boolean>();
  for (const { by } of tasks) {
    if (by !== null && !nodes.has(by)) nodes.set(by, (await redis.hexists(keys.incarnations, by)) === 1);
  }
  const taken: string[] = [];
  for (const { key, state, by, error } of tasks) {
    // A task that no node has started fails with an error of ours. If its node was forgotten, its result still names
    // our claim.
    if (error !== null || (by !== null && nodes.get(by))) continue;
    if (state === 'completed' && by !== null && (await isAnswer(redis, key))) continue;
    taken.push(by ?? '');
  }
  return { pool, taken, of: tasks.length };
}

async function isAnswer(redis: Redis, key: string): Promise<boolean> {
  return readField(z.object({ by: z.string() }), await redis.hget(key, 'returnvalue')) !== undefined;
}

async function clientNames(redis: Redis): Promise<string[]> {
  if (denied.has(redis)) return [];
  try {
    const list = String(await redis.client('LIST'));
    return list.split('\n').flatMap((line) => / name=(\S+)/.exec(line)?.[1] ?? []);
  } catch (error) {
    // Some servers do not support the command, and users with few rights are denied.
    if (!(error instanceof Error) || !/^(?:NOPERM|ERR)\b/.test(error.message)) throw error;
    denied.add(redis);
    return [];
  }
}
