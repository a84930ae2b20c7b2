import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';
import { pairsToMap } from '../redis/pairs.ts';
import { idAfter } from '../redis/stream-id.ts';
import { redisTime } from '../redis/time.ts';

/** Something that happened in the mesh, as `events --json` prints it; what else there is depends on the event. */
export interface MeshEvent {
  /** Its place in the log, to go on from. */
  readonly id: string;
  readonly at: string;
  readonly event: string;
  readonly node: string | null;
  readonly gate: string | null;
  readonly task: string | null;
  readonly pool: string | null;
  readonly circuit: string | null;
  readonly reason: string | null;
  /** How long a node that has died had given no sign of life, ms. */
  readonly silentMs: number | null;
}

/** The log of what happened in the mesh, about 10,000 entries; written in the steps that make it happen. */
export class EventLog {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The newest entries, oldest first. `sinceMs`: not older than this. */
  async newest(options: { sinceMs?: number | undefined; limit: number }): Promise<MeshEvent[]> {
    const oldest = options.sinceMs === undefined ? '-' : String((await redisTime(this.#redis)) - options.sinceMs);
    const entries = await this.#redis.xrevrange(this.#keys.events, '+', oldest, 'COUNT', options.limit);
    return entries.reverse().map(([id, fields]) => readEvent(id, fields));
  }

  /** What came after that entry, oldest first. */
  async after(id: string): Promise<MeshEvent[]> {
    const entries = await this.#redis.xrange(this.#keys.events, idAfter(id), '+', 'COUNT', 1_000);
    return entries.map(([entryId, fields]) => readEvent(entryId, fields));
  }
}

/** One entry of the log as it is stored. */
export function readEvent(id: string, fields: readonly string[]): MeshEvent {
  const found = pairsToMap(fields);
  const at = Number(found.get('at'));
  return {
    id,
    at: new Date(Number.isFinite(at) ? at : 0).toISOString(),
    event: found.get('event') ?? '',
    node: found.get('node') ?? null,
    gate: found.get('gate') ?? null,
    task: found.get('task') ?? null,
    pool: found.get('pool') ?? null,
    circuit: found.get('circuit') ?? null,
    reason: found.get('reason') || null,
    silentMs: found.has('silentMs') ? Number(found.get('silentMs')) : null,
  };
}
