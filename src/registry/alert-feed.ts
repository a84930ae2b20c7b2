import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../redis/keys.ts';
import { EventLog, type MeshEvent, readEvent } from './event-log.ts';

/** Nodes that tell people read the events together, each as a consumer of this group. */
export const ALERT_GROUP = 'alerts';
/** An event whose reader has not dealt with it after this time goes to another one, ms. */
const TAKEN_OVER_MS = 15_000;
const BATCH = 20;
/** Id, reader, time since it was given to that (ms), how often it was given out. */
const pendingEntries = z.array(z.tuple([z.string(), z.string(), z.number(), z.number()]));

/**
 * The events of the mesh, each for one of the nodes that watch them: a consumer group of the stream. An event that is not
 * marked as done is handed out again.
 */
export class AlertFeed {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #reader: string;
  readonly #log: EventLog;

  constructor(redis: Redis, keys: MeshKeys, reader: string) {
    this.#redis = redis;
    this.#keys = keys;
    this.#reader = reader;
    this.#log = new EventLog(redis, keys);
  }

  /** Makes the group where there is none; what happened before is nobody's concern. */
  async open(): Promise<void> {
    await this.#redis.xgroup('CREATE', this.#keys.events, ALERT_GROUP, '$', 'MKSTREAM').catch((error: Error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }

  /** Events that are for this reader now: those it has not dealt with, with what others left lying, then new ones. */
  async take(): Promise<MeshEvent[]> {
    try {
      await this.#takeOver();
      return [...(await this.#read('0')), ...(await this.#read('>'))];
    } catch (error) {
      // Somebody has emptied this Redis.
      if (!(error instanceof Error && error.message.startsWith('NOGROUP'))) throw error;
      await this.open();
      return [];
    }
  }

  /** What others were given and have not dealt with for long. XAUTOCLAIM does this in one step; Redis 6.0 has none. */
  async #takeOver(): Promise<void> {
    const { events } = this.#keys;
    const reply = await this.#redis.xpending(events, ALERT_GROUP, '-', '+', BATCH);
    const lying = pendingEntries
      .parse(reply)
      .filter(([, reader, idleMs]) => reader !== this.#reader && idleMs >= TAKEN_OVER_MS);
    if (lying.length === 0) return;
    await this.#redis.xclaim(events, ALERT_GROUP, this.#reader, TAKEN_OVER_MS, ...lying.map(([id]) => id));
  }

  async #read(from: '0' | '>'): Promise<MeshEvent[]> {
    const { events } = this.#keys;
    const reply = await this.#redis.xreadgroup(
      'GROUP',
      ALERT_GROUP,
      this.#reader,
      'COUNT',
      BATCH,
      'STREAMS',
      events,
      from,
    );
    const stream: unknown = Array.isArray(reply) ? reply[0] : undefined;
    const entries = ((Array.isArray(stream) ? stream[1] : undefined) ?? []) as [string, string[] | null][];
    // Those that have been trimmed away meanwhile come without fields, again and again.
    const gone = entries.flatMap(([id, fields]) => (fields === null ? [id] : []));
    if (gone.length > 0) await this.#redis.xack(events, ALERT_GROUP, ...gone);
    return entries.flatMap(([id, fields]) => (fields === null ? [] : [readEvent(id, fields)]));
  }

  /** The event has been dealt with. */
  async done(event: MeshEvent): Promise<void> {
    await this.#redis.xack(this.#keys.events, ALERT_GROUP, event.id);
  }

  /** How often this has happened to that node lately. */
  async count(event: string, node: string, sinceMs: number): Promise<number> {
    const recent = await this.#log.newest({ sinceMs, limit: 1_000 });
    return recent.filter((entry) => entry.event === event && entry.node === node).length;
  }

  /** Whether this reader is the one to look how things stand: one at a time, and another one after `ms` without it. */
  async watches(ms: number): Promise<boolean> {
    const key = this.#keys.alert('watcher');
    if ((await this.#redis.set(key, this.#reader, 'PX', ms, 'NX')) === 'OK') return true;
    if ((await this.#redis.get(key)) !== this.#reader) return false;
    await this.#redis.pexpire(key, ms);
    return true;
  }

  /** Whether nobody was told of this in the last `ms`; notes that somebody is now. */
  async begins(what: string, ms: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.alert(what), '1', 'PX', ms, 'NX')) === 'OK';
  }

  /** Forgets that somebody was told of this; whether that was so. */
  async ends(what: string): Promise<boolean> {
    return (await this.#redis.del(this.#keys.alert(what))) === 1;
  }
}
