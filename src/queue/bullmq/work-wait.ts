import type { Redis } from 'ioredis';
import type { Clock } from '../../domain/clock.ts';
import type { DispatchStrategy } from '../../domain/dispatch.ts';
import { messageOf } from '../../domain/errors.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import type { NextTask } from './claims.ts';

/**
 * How long an idle claim blocks before it checks again, s. Recovery from a lost wake-up does not depend on it: each
 * sweep repeats wake-ups.
 */
const IDLE_BLOCK_S = 10;
/**
 * A block that Redis does not end within this time (ms) after its timeout was lost with its connection (bullmq#4479).
 */
const OVERDUE_MS = 1_000;
/** Redis before 7.0.8 treats a shorter block (s) as an endless one. */
const SHORTEST_BLOCK_S = 0.002;

export interface WorkWaitOptions {
  readonly pool: string;
  readonly nodeId: string;
  readonly keys: MeshKeys;
  readonly redis: Redis;
  readonly blocking: Redis;
  readonly strategy: () => DispatchStrategy;
  readonly clock: Clock;
  readonly clockOffset: () => number;
}

/**
 * An idle node's wait in Redis for work in one pool: for BullMQ's marker, which wakes any node, or for a wake-up of
 * this node.
 */
export class WorkWait {
  readonly #options: WorkWaitOptions;
  readonly #marker: string;
  readonly #call: string;
  /** Whether the last reply was that no task waits. */
  #idle = false;
  #limitedUntil = 0;
  #nextDueAt = 0;
  /** Number of reasons to ask again so far: the reply to an older request does not justify a wait. */
  #reasonsToAsk = 0;
  /** A counter, so that an interruption is not attributed to a wait that started after it. */
  #interruptions = 0;
  /** Ends the current wait, if any. */
  #endWait = () => {};
  /** Set while the connection is replaced: commands sent in that time would be cut off with the old connection. */
  #reconnecting: Promise<void> | undefined;

  constructor(options: WorkWaitOptions) {
    const { pool, nodeId, keys } = options;
    this.#options = options;
    this.#marker = keys.pool(pool, 'marker');
    this.#call = `${keys.wakeupPrefix(pool)}${nodeId}`;
  }

  /**
   * Call this right before a request for a task. The returned function takes the reply, which determines whether and
   * how long the next wait is.
   */
  asking(): (reply: NextTask) => void {
    const reasons = this.#reasonsToAsk;
    return (reply) => {
      this.#idle = reasons === this.#reasonsToAsk && reply.task === undefined && !reply.again;
      this.#nextDueAt = reply.nextDueAt;
      this.#limitedUntil = reply.limitedForMs > 0 ? this.#now() + reply.limitedForMs : 0;
    };
  }

  /** The node's offer, or the way to wake it, has changed: it must ask before the next wait. */
  ask(): void {
    this.#reasonsToAsk++;
    this.#idle = false;
  }

  /**
   * Blocks until there may be work: a marker, a wake-up, a due delayed task, or the regular check. Returns false if
   * interrupted.
   */
  async forWork(): Promise<boolean> {
    if (!this.#idle) return true;
    await this.#reconnecting?.catch(() => {});
    const interruptions = this.#interruptions;
    const now = this.#now();
    const notBefore = this.#limitedUntil - now;
    const dueInS = this.#nextDueAt > 0 ? Math.max((this.#nextDueAt - now) / 1000, 0) : IDLE_BLOCK_S;
    const blockS = Math.min(notBefore > 0 ? notBefore / 1000 : dueInS, IDLE_BLOCK_S);
    if (blockS < SHORTEST_BLOCK_S) return true;
    try {
      const woken = await this.#block(blockS);
      // A marker with a time says when the next delayed task is due.
      const dueAt = woken?.[0] === this.#marker ? Number(woken[2]) : 0;
      if (dueAt > 0) this.#nextDueAt = dueAt;
    } catch (error) {
      // Redis or the other nodes may no longer know this node's offer.
      this.ask();
      if (interruptions === this.#interruptions)
        throw new Error(`waiting for work failed: ${messageOf(error)}`, { cause: error });
    }
    return interruptions === this.#interruptions;
  }

  async interrupt(): Promise<void> {
    const connected = this.#options.blocking.status === 'ready';
    // Withdraw before the wait ends: the loop may make its next offer at once, and that offer must stay. If the
    // withdrawal fails, the loop must still end.
    if (connected) await this.#withdrawOffer().catch(() => {});
    this.#interruptions++;
    this.ask();
    this.#endWait();
    // Without a connection nothing is blocked in Redis, and nothing can be written there.
    if (!connected) return;
    await this.#reconnect().catch(() => {});
    // The cut-off command may just have consumed a wake-up. A needless wake-up costs only a check.
    await this.#wakeAny().catch(() => {});
  }

  /** Wakes another node instead of this one, which no longer offers a slot. */
  async forwardWakeup(): Promise<void> {
    await this.#withdrawOffer();
    await this.#wakeAny();
  }

  async #withdrawOffer(): Promise<void> {
    const { redis, keys, pool, nodeId } = this.#options;
    await redis.hdel(keys.freeSlots(pool), nodeId);
  }

  async #wakeAny(): Promise<void> {
    await this.#options.redis.zadd(this.#marker, 0, '0');
  }

  async #block(seconds: number): Promise<[string, string, string] | null> {
    const { blocking, clock, strategy } = this.#options;
    const keys = strategy() === 'pull' ? [this.#marker] : [this.#call, this.#marker];
    const woken = blocking.bzpopmin(...keys, seconds);
    let waits = true;
    // A command that is sent late may consume a wake-up that this node no longer waits for.
    woken.then((taken) => (taken && !waits ? this.#wakeAny() : undefined)).catch(() => {});
    const { promise: ended, resolve } = Promise.withResolvers<null>();
    this.#endWait = () => resolve(null);
    const timers = new AbortController();
    const overdue = () => clock.sleep(seconds * 1000 + OVERDUE_MS, timers.signal).then(() => 'overdue' as const);
    try {
      for (;;) {
        const answer = await Promise.race([woken, ended, overdue()]);
        if (answer !== 'overdue') return answer;
        // While Redis is away, the command waits for the connection. If the connection is ready, a missing reply means
        // that it is dead.
        if (blocking.status !== 'ready') continue;
        await this.#reconnect();
        return null;
      }
    } finally {
      waits = false;
      timers.abort();
      this.#endWait = () => {};
    }
  }

  /**
   * Waits for the end of the old connection, because its close would undo an earlier reconnect. Does nothing if the
   * connection is not ready: a connection that is already reconnecting emits no end to wait for.
   */
  #reconnect(): Promise<void> {
    const { blocking } = this.#options;
    if (blocking.status !== 'ready') return this.#reconnecting ?? Promise.resolve();
    this.#reconnecting ??= (async () => {
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      blocking.once('end', resolve);
      blocking.disconnect();
      await ended;
      await blocking.connect();
    })().finally(() => {
      this.#reconnecting = undefined;
    });
    return this.#reconnecting;
  }

  #now(): number {
    return this.#options.clock.now() + this.#options.clockOffset();
  }
}
