import { EventLog, type MeshEvent, type NewestEvents } from '../registry/event-log.ts';
import type { ClientContext } from './context.ts';

/** The event log is trimmed at about this number of entries. */
export const MAX_EVENTS = 10_000;

/** Reads the event log of the mesh. */
export class MeshEvents {
  readonly #log: EventLog;
  readonly #context: ClientContext;

  constructor(context: ClientContext) {
    this.#context = context;
    this.#log = new EventLog(context.redis, context.keys);
  }

  /** The newest entries, oldest first. `node`: only those of this node; `sinceMs`: not older than this. */
  async newest(options: NewestEvents): Promise<MeshEvent[]> {
    return this.#log.newest(options);
  }

  /** The entries after this one, oldest first. */
  async after(id: string): Promise<MeshEvent[]> {
    return this.#log.after(id);
  }

  /** Number of entries in the log. */
  async count(): Promise<number> {
    return this.#context.redis.xlen(this.#context.keys.events);
  }
}
