import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SpawnedRedis } from '../support/redis.ts';

/**
 * A Redis to explore worlds on. It writes nothing to disk, and is asked over a socket: a step is some six requests, and takes
 * as long as those are under way.
 */
export class ExploredRedis {
  readonly #server: SpawnedRedis;

  private constructor(server: SpawnedRedis) {
    this.#server = server;
  }

  static async start(): Promise<ExploredRedis> {
    return new ExploredRedis(await SpawnedRedis.start(['--appendonly', 'no']));
  }

  /** A connection to a database of its own, from 0 to 15. */
  connect(db = 0): Redis {
    return new Redis({ path: join(this.#server.folder, 'r.sock'), db, maxRetriesPerRequest: null });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}
