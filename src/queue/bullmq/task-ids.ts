import type { Redis } from 'ioredis';
import { earliestOf } from '../../domain/ids.ts';
import type { TaskRef } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { placeOf, replies, STATE_KEYS, type StateKey } from './state-keys.ts';

/**
 * Where BullMQ keeps the ids of a pool's tasks. Tasks mostly move downwards, so a task that moves during a search is
 * still found. Cancelled tasks are among the failed ones.
 */
const PLACES = (
  ['delayed', 'waiting-children', 'prioritized', 'wait', 'active', 'completed', 'failed'] as const
).flatMap((state) => STATE_KEYS.filter((key) => key.state === state));

/** Ids per command: Redis lists them in about 1 ms, so other clients do not wait. */
const PART = 5_000;
/** Commands sent at once; their ids are in memory together. */
const AT_ONCE = 8;
/** A client's clock may be ahead of Redis time by this, ms: then a task seems to end before it was enqueued. */
const SKEW_MS = 3_600_000;

/** A beginning and an end of an id; one of them may be empty. */
export interface IdPattern {
  readonly beginning: string;
  readonly ending: string;
}

/** A range of ids in one place, counted from the newest. */
interface Part {
  readonly pool: string;
  readonly place: StateKey;
  readonly skip: number;
}

/**
 * Searches tasks by a part of their id.
 *
 * There is no index of ids: each script that adds or removes a task would have to maintain it, and other BullMQ
 * programs would not. Instead, this reads the ids that BullMQ lists by state anyway. An id says when it was created,
 * and ended tasks are sorted by their end. So a search first skips all tasks that ended before that time; only a search
 * that finds nothing reads those, too.
 */
export class TaskIds {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Tasks of these pools whose id matches, at most `limit`. */
  async matching(pools: readonly string[], pattern: IdPattern, limit: number): Promise<TaskRef[]> {
    const earliest = earliestOf(pattern.beginning);
    const { recent, older } = await this.#parts(pools, earliest === undefined ? 0 : earliest - SKEW_MS);
    const found = await this.#search(recent, pattern, limit);
    return found.length > 0 ? found : this.#search(older, pattern, limit);
  }

  /** All ids in parts: those of tasks that have not ended, or ended at or after `since` (ms), and the others. */
  async #parts(pools: readonly string[], since: number): Promise<{ recent: Part[]; older: Part[] }> {
    const places = pools.flatMap((pool) => PLACES.map((place) => ({ pool, place, key: this.#key(pool, place) })));
    const [lengths, newest] = await Promise.all([
      this.#numbers(places.map(({ place, key }) => [place.type === 'list' ? 'llen' : 'zcard', key])),
      this.#numbers(places.flatMap(({ place, key }) => (place.isEnded ? [['zcount', key, since, '+inf']] : []))),
    ]);
    const recent: Part[] = [];
    const older: Part[] = [];
    for (const [index, { pool, place }] of places.entries()) {
      const length = lengths[index] ?? 0;
      const until = place.isEnded ? (newest.shift() ?? 0) : length;
      for (let skip = 0; skip < length; skip += PART) (skip < until ? recent : older).push({ pool, place, skip });
    }
    return { recent, older };
  }

  async #search(parts: readonly Part[], pattern: IdPattern, limit: number): Promise<TaskRef[]> {
    const { beginning, ending } = pattern;
    const least = beginning.length + ending.length;
    const found = new Map<string, TaskRef>();
    for (let start = 0; start < parts.length && found.size < limit; start += AT_ONCE) {
      const some = parts.slice(start, start + AT_ONCE);
      const lists = await Promise.all(some.map((part) => this.#idsOf(part)));
      for (const [index, ids] of lists.entries()) {
        const { pool } = some[index] as Part;
        for (const id of ids) {
          const fits = id.length >= least && id.startsWith(beginning) && id.endsWith(ending);
          if (fits) found.set(`${pool} ${id}`, { id, pool });
        }
      }
    }
    return [...found.values()].slice(0, limit);
  }

  async #idsOf({ pool, place, skip }: Part): Promise<string[]> {
    const [key, last] = [this.#key(pool, place), skip + PART - 1];
    return place.type === 'list' ? this.#redis.lrange(key, skip, last) : this.#redis.zrevrange(key, skip, last);
  }

  async #numbers(commands: (string | number)[][]): Promise<number[]> {
    return (await replies(this.#redis, commands)).map(Number);
  }

  #key(pool: string, { state }: StateKey): string {
    return placeOf(this.#keys, pool, state);
  }
}
