import type { Redis } from 'ioredis';
import { ENDED_STATES } from '../../src/domain/task-state.ts';
import { HELD_SCORE } from '../../src/queue/bullmq/held-tasks.ts';
import type { MeshKeys } from '../../src/redis/keys.ts';

/** Where a task stands: a list or sorted set of its pool. */
const PLACES = ['wait', 'prioritized', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const;
export type Place = (typeof PLACES)[number];

export interface TaskPicture {
  readonly pool: string;
  readonly places: Place[];
  readonly lock: string | undefined;
  readonly fields: ReadonlyMap<string, string>;
  /** The score among the delayed ones. */
  readonly delayedTo: number | undefined;
  /** The lists of held tasks that it stands on, by their reason. */
  readonly heldFor: string[];
}

/** All that stands in Redis, read in one step. */
export interface Picture {
  readonly tasks: ReadonlyMap<string, TaskPicture>;
  /** Key → its value in a plain form, without the streams. */
  readonly values: ReadonlyMap<string, Value>;
  /** Entries of the streams. */
  readonly streams: ReadonlyMap<string, readonly (readonly string[])[]>;
}
export type Value = string | readonly string[];

/** Reads every key; of the streams, which grow with each step, the handover log. */
const READ_ALL = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    local value
    if kind == 'string' then value = redis.call('GET', key)
    elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
    elseif kind == 'set' then value = redis.call('SMEMBERS', key)
    elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    elseif kind == 'hash' then value = redis.call('HGETALL', key)
    elseif string.find(key, '/handovers$') then
      value = {}
      for i, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do value[i] = entry[2] end
    end
    if value then all[#all + 1] = {key, kind, value} end
  end
  return all`;

function sortedPairs(flat: readonly string[]): string[] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] as string, flat[i + 1] as string]);
  return pairs.sort(([a], [b]) => (a < b ? -1 : 1)).flat();
}

export async function takePicture(redis: Redis, keys: MeshKeys, pools: readonly string[]): Promise<Picture> {
  const values = new Map<string, Value>();
  const streams = new Map<string, string[][]>();
  for (const [key, kind, value] of (await redis.eval(READ_ALL, 0)) as [string, string, Value][]) {
    if (key === 'virtual-clock') continue;
    if (kind === 'stream') streams.set(key, value as unknown as string[][]);
    else if (kind === 'hash') values.set(key, sortedPairs(value as string[]));
    else if (kind === 'set') values.set(key, [...(value as string[])].sort());
    else values.set(key, value);
  }
  const tasks = new Map<string, TaskPicture>();
  for (const pool of pools) {
    const places = new Map<string, Place[]>();
    const delayed = new Map<string, number>();
    for (const place of PLACES) {
      const key = place === 'cancelled' ? keys.cancelledTasks(pool) : keys.pool(pool, place);
      const list = (values.get(key) ?? []) as string[];
      const step = place === 'wait' || place === 'active' ? 1 : 2;
      for (let i = 0; i < list.length; i += step) {
        const id = list[i] as string;
        places.set(id, [...(places.get(id) ?? []), place]);
        if (place === 'delayed') delayed.set(id, Number(list[i + 1]));
      }
    }
    // For BullMQ a cancelled task has failed.
    for (const [id, stands] of places) {
      if (stands.join() === 'failed,cancelled') places.set(id, ['cancelled']);
      else if (stands.includes('cancelled')) places.set(id, [...stands, 'cancelled']);
    }
    const prefix = keys.task(pool, '');
    for (const [key, value] of values) {
      const id = key.slice(prefix.length);
      if (!key.startsWith(prefix) || !/^([0-9a-z]{26}|repeat:\w+:\d+)$/.test(id)) continue;
      if (!places.has(id)) places.set(id, []);
      const flat = value as string[];
      const fields = new Map<string, string>();
      for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
      const heldFor: string[] = [];
      for (const [other, members] of values) {
        const [, why] = other.split(keys.heldTasks(pool, ''));
        if (why !== undefined && other.startsWith(keys.heldTasksPrefix) && members.includes(id)) heldFor.push(why);
      }
      tasks.set(id, {
        pool,
        places: places.get(id) ?? [],
        lock: values.get(`${key}:lock`) as string | undefined,
        fields,
        delayedTo: delayed.get(id),
        heldFor,
      });
    }
    for (const [id, stands] of places) {
      if (!tasks.has(id)) {
        tasks.set(id, {
          pool,
          places: stands,
          lock: undefined,
          fields: new Map(),
          delayedTo: delayed.get(id),
          heldFor: [],
        });
      }
    }
  }
  return { tasks, values, streams };
}

const ENDED: ReadonlySet<string | undefined> = new Set(ENDED_STATES);
export function hasEnded({ places }: TaskPicture): boolean {
  return ENDED.has(places[0]);
}

/** Its claim has lapsed: it has no lock any more. */
export function isLapsed({ places, lock }: TaskPicture): boolean {
  return places[0] === 'active' && lock === undefined;
}

/** A field of a hash; undefined if there is none. */
export function fieldOf({ values }: Picture, key: string, field: string): string | undefined {
  const flat = values.get(key) ?? [];
  for (let i = 0; i + 1 < flat.length; i += 2) if (flat[i] === field) return flat[i + 1];
  return undefined;
}

export function isHeld({ delayedTo }: TaskPicture): boolean {
  return delayedTo !== undefined && delayedTo >= HELD_SCORE;
}

/** Fields that nothing depends on: what people read, and when things happened. */
const NO_PART = new Set(['timestamp', 'processedOn', 'finishedOn', 'cm:history', 'data', 'opts', 'name', 'stacktrace']);
/** Keys that nothing depends on. */
const NO_KEY =
  /(:id|:events|\/nodes|\/handovers|\/events|:marker|:meta|\/incarnations|\/serves|\/pools|\/absent|:completed|:failed|\/cancelled:\w+|\/sweep)$/;

/**
 * What the state is, whatever the names: tokens and incarnations by their order, times as seen from `now`. Two states with
 * one normal form continue alike.
 */
export function normalForm(picture: Picture, now: number, mind: string): string {
  const lines: string[] = [];
  for (const [key, value] of [...picture.values].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (NO_KEY.test(key) || /:lock$/.test(key)) continue;
    let shown = value;
    const task = /:([0-9a-z]{26}|repeat:\w+:\d+)$/.exec(key);
    if (task) {
      const flat = value as string[];
      const kept: string[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) {
        if (!NO_PART.has(flat[i] as string)) kept.push(`${flat[i]}=${flat[i + 1]}`);
      }
      const { places, lock } = picture.tasks.get(task[1] as string) ?? {};
      shown = [...kept, `in ${places?.join('+')}`, `lock ${lock ?? '-'}`];
    } else if (/\/held:/.test(key) || /:prioritized$/.test(key)) {
      // The order counts, not when each came.
      shown = (value as string[]).filter((_, index) => index % 2 === 0);
    }
    lines.push(`${key} ${Array.isArray(shown) ? shown.join(' ') : shown}`);
  }
  const text = [...lines, mind].join('\n');
  return renamed(timesFrom(text, now));
}

/** Times (ms), and scores of delayed tasks, as seen from now. */
function timesFrom(text: string, now: number): string {
  return text
    .replace(/\b\d{16}\b/g, (score) => {
      const at = Math.floor(Number(score) / 4_096);
      return Number(score) >= HELD_SCORE ? 'held' : at > now ? `+${at - now}` : 'due';
    })
    .replace(/\b1\d{12}\b/g, (time) => (Number(time) > now ? `+${Number(time) - now}` : `-${now - Number(time)}`));
}

/** Incarnations and lock tokens by their order: they only ever grow. */
function renamed(text: string): string {
  const incarnations = ranked(text, /(mac-\d)~(\d+)/g);
  const byIncarnation = text.replace(/(mac-\d)~(\d+)/g, (_, node, n) => `${node}~${incarnations(node, n)}`);
  const claims = ranked(byIncarnation, /(mac-\d~\d+):(\d+)/g);
  return byIncarnation.replace(/(mac-\d~\d+):(\d+)/g, (_, owner, n) => `${owner}:${claims(owner, n)}`);
}

function ranked(text: string, pattern: RegExp): (of: string, n: string) => number {
  const numbers = new Map<string, Set<number>>();
  for (const [, of = '', n] of text.matchAll(pattern)) numbers.set(of, (numbers.get(of) ?? new Set()).add(Number(n)));
  return (of, n) => [...(numbers.get(of) ?? [])].filter((other) => other < Number(n)).length;
}
