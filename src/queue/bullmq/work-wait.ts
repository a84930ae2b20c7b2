import type { Redis } from 'ioredis';
import { messageOf } from '../../domain/errors.ts';
import type { FetchReply, PoolBackend } from './pool-backend.ts';

/** How long an idle claim blocks before it looks again (s): BullMQ's own default, the bound on a lost wake-up. */
const IDLE_BLOCK_S = 5;

/** An idle node's wait in Redis for work in one pool. */
export class WorkWait {
  readonly #backend: PoolBackend;
  readonly #redis: Redis;
  readonly #blocking: Redis;
  readonly #clockOffset: () => number;
  /** The last answer was "nothing waiting". */
  #idle = false;
  #limitedUntil = 0;
  #nextDueAt = 0;
  #interrupted = false;

  constructor(options: { backend: PoolBackend; redis: Redis; blocking: Redis; clockOffset: () => number }) {
    this.#backend = options.backend;
    this.#redis = options.redis;
    this.#blocking = options.blocking;
    this.#clockOffset = options.clockOffset;
  }

  /** What the queue has answered tells whether, and how long, the next wait is. */
  answered(reply: FetchReply): void {
    this.#idle = reply.task === undefined;
    this.#nextDueAt = reply.nextDueAt;
    this.#limitedUntil = reply.limitedForMs > 0 ? this.#now() + reply.limitedForMs : 0;
  }

  /** Blocks until there may be work: a marker, a delayed task that is due, or the time to look anyway. */
  async forWork(): Promise<boolean> {
    this.#interrupted = false;
    if (!this.#idle) return true;
    const now = this.#now();
    const notBefore = Math.max(this.#limitedUntil, 0) - now;
    const dueInS = this.#nextDueAt > 0 ? Math.max((this.#nextDueAt - now) / 1000, 0) : IDLE_BLOCK_S;
    const blockS = Math.min(notBefore > 0 ? notBefore / 1000 : dueInS, IDLE_BLOCK_S);
    if (blockS < this.#backend.minimumBlockTimeout) return true;
    try {
      const marker = await this.#backend.waitForJob(blockS);
      // A marker with a time says when the next delayed task is due.
      if (marker && marker.score > 0) this.#nextDueAt = marker.score;
    } catch (error) {
      if (!this.#interrupted) throw new Error(`waiting for work failed: ${messageOf(error)}`, { cause: error });
    }
    return !this.#interrupted;
  }

  async interrupt(): Promise<void> {
    this.#interrupted = true;
    // Without a connection nothing is blocked in Redis; the claim ends by itself within seconds.
    if (this.#blocking.status !== 'ready') return;
    // Waits for the end of the old connection: reconnecting before it would be undone by its close.
    await this.#backend.disconnectBlocking(true);
    await this.#backend.reconnectBlocking();
    // The cut-off command may have just swallowed a wake-up; a needless one only costs a look.
    await this.#redis.zadd(this.#backend.keys.marker as string, 0, '0');
  }

  #now(): number {
    return Date.now() + this.#clockOffset();
  }
}
