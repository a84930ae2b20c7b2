import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';
import { ALERT_GROUP } from './alert-feed.ts';

/** Nodes looked at per script. */
const STEP = 20;

/**
 * Forgets nodes that have been away for `keepMs`, so that machines which come and go under ever new names leave nothing
 * behind. One that comes back is a new node. Any node may do this.
 *
 * @returns the ids of the forgotten.
 */
export async function forgetNodes(redis: Redis, keys: MeshKeys, keepMs: number): Promise<string[]> {
  const { incarnations, leases, nodes, presence, gone, control, loads, deaths, absent, lastTokens, serves, pools } =
    keys;
  const ids = new Set<string>();
  for (const key of [incarnations, nodes, control, loads, absent, serves]) {
    for (const id of Object.keys(await redis.hgetall(key))) ids.add(id);
  }
  // What stands there of forgotten nodes together, and of pools.
  for (const id of ids) if (id === '' || id.startsWith('pool ')) ids.delete(id);
  const died = Object.keys(await redis.hgetall(deaths));
  const all = [...ids];
  const forgotten: string[] = [];
  for (let start = 0; start < all.length; start += STEP) {
    const reply = await scripts.forgetNodes.run(
      redis,
      [incarnations, leases, nodes, presence, gone, control, loads, absent, lastTokens, serves, pools],
      [keys.bullPrefix, keepMs, ...all.slice(start, start + STEP)],
    );
    forgotten.push(...z.array(z.string()).parse(reply));
  }
  const owners = died.filter((owner) => forgotten.includes(owner.split('~')[0] ?? ''));
  if (owners.length > 0) await redis.hdel(deaths, ...owners);
  for (const id of forgotten) {
    // There is no such group where nobody is told of anything.
    await redis.xgroup('DELCONSUMER', keys.events, ALERT_GROUP, id).catch((error: Error) => {
      if (!/NOGROUP|requires the key to exist/.test(error.message)) throw error;
    });
  }
  return forgotten;
}
