import type { Redis } from 'ioredis';
import type { MeshKeys } from '../redis/keys.ts';
import { pairsToMap } from '../redis/pairs.ts';
import { idAfter, idBefore } from '../redis/stream-id.ts';
import { redisTime } from '../redis/time.ts';

/** An event of the mesh, as `events --json` prints it; which fields are set depends on the event. */
export interface MeshEvent {
  /** Its position in the log, from which a reader can continue. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** What happened, such as `node-dead`; a newer clawmesh may write others. */
  readonly event: string;
  /** The node. */
  readonly node: string | null;
  /** The gate of the node. */
  readonly gate: string | null;
  /** The task. */
  readonly task: string | null;
  /** Pool of the task. */
  readonly pool: string | null;
  /** The circuit. */
  readonly circuit: string | null;
  /** The reason, for people. */
  readonly reason: string | null;
  /** For a dead node: how long it had given no sign of life, ms. */
  readonly silentMs: number | null;
}

/** Which of the newest entries to read. */
export interface NewestEvents {
  /** Only entries of this node. */
  readonly node?: string | undefined;
  /** Maximum age, ms. */
  readonly sinceMs?: number | undefined;
  readonly limit: number;
}

/** Entries read at once if a filter may leave most of them out. */
const PAGE = 1_000;

/** The event log of the mesh, about 10,000 entries. Each entry is written in the same step as its change. */
export class EventLog {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The newest entries, oldest first. Reads only as many pages as needed. */
  async newest({ node, sinceMs, limit }: NewestEvents): Promise<MeshEvent[]> {
    const oldest = sinceMs === undefined ? '-' : String((await redisTime(this.#redis)) - sinceMs);
    const size = node === undefined ? limit : PAGE;
    const found: MeshEvent[] = [];
    for (let end = '+'; ; ) {
      const page = await this.#redis.xrevrange(this.#keys.events, end, oldest, 'COUNT', size);
      const events = page.map(([id, fields]) => readEvent(id, fields));
      found.push(...events.filter((event) => node === undefined || event.node === node));
      if (found.length >= limit || page.length < size) return found.slice(0, limit).reverse();
      end = idBefore(page.at(-1)?.[0] ?? '');
    }
  }

  /** The entries after that entry, oldest first. */
  async after(id: string): Promise<MeshEvent[]> {
    const entries = await this.#redis.xrange(this.#keys.events, idAfter(id), '+', 'COUNT', 1_000);
    return entries.map(([entryId, fields]) => readEvent(entryId, fields));
  }
}

/** Parses a stored entry of the log. */
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
