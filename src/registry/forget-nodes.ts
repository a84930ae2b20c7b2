import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../redis/keys.ts';
import { ALERT_GROUP } from './alert-feed.ts';
import { scripts } from './scripts.ts';

/** Nodes checked per script call. */
const STEP = 20;

/**
 * Forgets nodes that have been away for `keepMs`, so that machines with ever-changing names leave nothing behind. A
 * node that comes back is a new node. Any node may do this.
 *
 * @returns the ids of the forgotten nodes.
 */
export async function forgetNodes(redis: Redis, keys: MeshKeys, keepMs: number): Promise<string[]> {
  const { incarnations, nodes, control, loads, absent, serves } = keys;
  const ids = new Set<string>();
  for (const key of [incarnations, nodes, control, loads, absent, serves]) {
    for (const id of Object.keys(await redis.hgetall(key))) ids.add(id);
  }
  // These fields are not nodes: the common one for forgotten nodes, and those for pools.
  for (const id of ids) if (id === '' || id.startsWith('pool ')) ids.delete(id);
  const all = [...ids];
  const forgotten: string[] = [];
  for (let start = 0; start < all.length; start += STEP) {
    const reply = await scripts.forgetNodes.run(redis, keys, [keepMs, ...all.slice(start, start + STEP)]);
    forgotten.push(...z.array(z.string()).parse(reply));
  }
  for (const id of forgotten) {
    // The group does not exist in a mesh that sends no alerts.
    await redis.xgroup('DELCONSUMER', keys.events, ALERT_GROUP, id).catch((error: Error) => {
      if (!/NOGROUP|requires the key to exist/.test(error.message)) throw error;
    });
  }
  return forgotten;
}

/** Whether a node was forgotten, or why not; `tasks`: those whose locks name the node. */
export type Forgotten =
  | { readonly outcome: 'forgotten' | 'unknown' | 'up' }
  | { readonly outcome: 'has-claims'; readonly tasks: readonly string[] };

const forgetReply = z.tuple([z.enum(['forgotten', 'unknown', 'up', 'has-claims'])], z.string());

/** Forgets a node now, unless its lease is valid or task locks name it; then it changes nothing. */
export async function forgetNode(redis: Redis, keys: MeshKeys, nodeId: string): Promise<Forgotten> {
  const [outcome, ...tasks] = forgetReply.parse(await scripts.forgetNode.run(redis, keys, [nodeId]));
  return outcome === 'has-claims' ? { outcome, tasks } : { outcome };
}
