import { EventLog, type MeshEvent } from '../registry/event-log.ts';
import type { ClientContext } from './context.ts';

/** The log of events is cut at about this many. */
export const MAX_EVENTS = 10_000;

/** Reads the log of what happened in the mesh. */
export class MeshEvents {
  readonly #log: EventLog;
  readonly #context: ClientContext;

  constructor(context: ClientContext) {
    this.#context = context;
    this.#log = new EventLog(context.redis, context.keys);
  }

  /** The newest entries, oldest first. `sinceMs`: not older than this. */
  async newest(options: { sinceMs?: number | undefined; limit: number }): Promise<MeshEvent[]> {
    return this.#log.newest(options);
  }

  /** The entries after this one, oldest first. */
  async after(id: string): Promise<MeshEvent[]> {
    return this.#log.after(id);
  }

  /** How many entries are kept. */
  async count(): Promise<number> {
    return this.#context.redis.xlen(this.#context.keys.events);
  }
}
