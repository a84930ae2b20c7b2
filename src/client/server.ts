import { ServerInfo } from '../redis/server-info.ts';
import type { ClientContext } from './context.ts';

/** Number of round trips for the median. */
const PINGS = 9;

/** The Redis server that carries the mesh. */
export class MeshServer {
  readonly #context: ClientContext;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Redis time, ms since the epoch. */
  async time(): Promise<number> {
    return this.#context.registry.redisTime();
  }

  /** The server's own report on itself. */
  async info(): Promise<ServerInfo> {
    return ServerInfo.of(this.#context.redis);
  }

  /** Whether the server replies. */
  async isReady(): Promise<boolean> {
    return this.#context.redis.ping().then(
      () => true,
      () => false,
    );
  }

  /** The median of some round trips, ms, rounded to a tenth. */
  async latencyMs(): Promise<number> {
    const { clock, redis } = this.#context;
    const times: number[] = [];
    for (let i = 0; i < PINGS; i++) {
      const before = clock.monotonic();
      await redis.ping();
      times.push(clock.monotonic() - before);
    }
    times.sort((a, b) => a - b);
    return Math.round((times[PINGS >> 1] ?? 0) * 10) / 10;
  }

  /** Makes Redis refuse writes instead of evicting tasks when its memory is full; lasts until Redis restarts. */
  async disableEviction(): Promise<void> {
    await this.#context.redis.config('SET', 'maxmemory-policy', 'noeviction');
  }
}
