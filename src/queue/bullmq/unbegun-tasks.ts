import type { Redis } from 'ioredis';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from './scripts.ts';

/** Task ids read per request in the search for the tasks of a schedule, and removed per script call. */
const PAGE = 1_000;

/** Removes due tasks of a schedule that no node has started; after an outage there may be many. */
export async function removeUnbegunTasks(redis: Redis, keys: MeshKeys, name: string): Promise<void> {
  const prefix = `repeat:${name}:`;
  const isOfIt = (id: string) => id.startsWith(prefix) && /^\d+$/.test(id.slice(prefix.length));
  for (const pool of await redis.smembers(keys.pools)) {
    const found = new Set<string>();
    for (const state of ['wait', 'prioritized', 'delayed']) {
      const key = keys.pool(pool, state);
      for (let first = 0, more = true; more; first += PAGE) {
        const last = first + PAGE - 1;
        const ids = await readableIds(
          state === 'wait' ? redis.lrange(key, first, last) : redis.zrange(key, String(first), String(last)),
        );
        for (const id of ids.filter(isOfIt)) found.add(id);
        more = ids.length === PAGE;
      }
    }
    const ids = [...found];
    for (let first = 0; first < ids.length; first += PAGE) {
      await scripts.removeUnbegun.run(redis, keys, [pool, ...ids.slice(first, first + PAGE)]);
    }
  }
}

/** The ids in the reply; empty if the stored data is corrupt. */
export async function readableIds(ids: Promise<string[]>): Promise<string[]> {
  return ids.catch((error: Error) => {
    if (!error.message.startsWith('WRONGTYPE')) throw error;
    return [];
  });
}
