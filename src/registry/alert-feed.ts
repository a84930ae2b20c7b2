import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { MeshKeys } from '../redis/keys.ts';
import { EventLog, type MeshEvent, readEvent } from './event-log.ts';

/** The consumer group of the nodes that send alerts; each node is one consumer. */
export const ALERT_GROUP = 'alerts';
/** An event that its reader has not handled within this time goes to another reader, ms. */
const TAKEN_OVER_MS = 15_000;
const BATCH = 20;
/** Id, reader, time since its delivery to that reader (ms), number of deliveries. */
const pendingEntries = z.array(z.tuple([z.string(), z.string(), z.number(), z.number()]));

/**
 * The events of the mesh, each delivered to one of the watching nodes: a consumer group of the stream. An event that is
 * not marked as done is delivered again.
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

  /** Creates the group if it is missing. Earlier events are skipped. */
  async open(): Promise<void> {
    await this.#redis.xgroup('CREATE', this.#keys.events, ALERT_GROUP, '$', 'MKSTREAM').catch((error: Error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }

  /** Events for this reader: first those that it or a stalled reader has not handled, then new ones. */
  async take(): Promise<MeshEvent[]> {
    try {
      await this.#takeOver();
      return [...(await this.#read('0')), ...(await this.#read('>'))];
    } catch (error) {
      // The Redis database was emptied.
      if (!(error instanceof Error && error.message.startsWith('NOGROUP'))) throw error;
      await this.open();
      return [];
    }
  }

  /**
   * Takes over events that other readers have not handled for too long. XAUTOCLAIM would do it in one step, but Redis
   * 6.0 lacks it.
   */
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
    // Events that were trimmed in the meantime arrive without fields, again and again.
    const gone = entries.flatMap(([id, fields]) => (fields === null ? [id] : []));
    if (gone.length > 0) await this.#redis.xack(events, ALERT_GROUP, ...gone);
    return entries.flatMap(([id, fields]) => (fields === null ? [] : [readEvent(id, fields)]));
  }

  /** Marks the event as handled. */
  async done(event: MeshEvent): Promise<void> {
    await this.#redis.xack(this.#keys.events, ALERT_GROUP, event.id);
  }

  /** How often this event has happened to this node in the last `sinceMs`. */
  async count(event: string, node: string, sinceMs: number): Promise<number> {
    const recent = await this.#log.newest({ sinceMs, limit: 1_000 });
    return recent.filter((entry) => entry.event === event && entry.node === node).length;
  }

  /**
   * Whether this reader is the current watcher of conditions. There is one at a time; another reader takes over after
   * `ms` without it.
   */
  async watches(ms: number): Promise<boolean> {
    const key = this.#keys.alert('watcher');
    if ((await this.#redis.set(key, this.#reader, 'PX', ms, 'NX')) === 'OK') return true;
    if ((await this.#redis.get(key)) !== this.#reader) return false;
    await this.#redis.pexpire(key, ms);
    return true;
  }

  /** Whether no alert was sent for this in the last `ms`; records that one is sent now. */
  async begins(what: string, ms: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.alert(what), '1', 'PX', ms, 'NX')) === 'OK';
  }

  /** Forgets the alert for this; returns whether there was one. */
  async ends(what: string): Promise<boolean> {
    return (await this.#redis.del(this.#keys.alert(what))) === 1;
  }
}
