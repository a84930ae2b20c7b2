import type { Redis } from 'ioredis';
import type { Clock } from '../../domain/clock.ts';
import type { DispatchStrategy } from '../../domain/dispatch.ts';
import { messageOf } from '../../domain/errors.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import type { NextTask } from './claims.ts';

/**
 * How long an idle claim blocks before it looks again (s). Lost wake-ups do not wait for that: each sweep gives them
 * again.
 */
const IDLE_BLOCK_S = 10;
/** A block that Redis does not end this long (ms) after its time was lost with its connection (bullmq#4479). */
const OVERDUE_MS = 1_000;
/** Redis before 7.0.8 takes a shorter block (s) for one without an end. */
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
 * An idle node's wait in Redis for work in one pool: for BullMQ's marker, which wakes any node, or a call for this one.
 */
export class WorkWait {
  readonly #options: WorkWaitOptions;
  readonly #marker: string;
  readonly #call: string;
  /** The last answer was "nothing waiting". */
  #idle = false;
  #limitedUntil = 0;
  #nextDueAt = 0;
  /** How often there was a reason to ask anew: an answer to an older request does not tell whether to wait. */
  #reasonsToAsk = 0;
  /** Counted, so that a wait that began after an interruption is not taken for the one that it ended. */
  #interruptions = 0;
  /** Ends the wait that is under way, if one is. */
  #endWait = () => {};
  /** While the connection is made anew: what is sent meanwhile would be cut off with the old one. */
  #reconnecting: Promise<void> | undefined;

  constructor(options: WorkWaitOptions) {
    const { pool, nodeId, keys } = options;
    this.#options = options;
    this.#marker = keys.pool(pool, 'marker');
    this.#call = `${keys.wakeupPrefix(pool)}${nodeId}`;
  }

  /**
   * To be called right before a request for a task. The function that it returns takes the answer, which tells whether,
   * and
   * how long, the next wait is.
   */
  asking(): (reply: NextTask) => void {
    const reasons = this.#reasonsToAsk;
    return (reply) => {
      this.#idle = reasons === this.#reasonsToAsk && reply.task === undefined && !reply.again;
      this.#nextDueAt = reply.nextDueAt;
      this.#limitedUntil = reply.limitedForMs > 0 ? this.#now() + reply.limitedForMs : 0;
    };
  }

  /** What this node has to offer, or how it is to be told, has changed: it asks before the next wait. */
  ask(): void {
    this.#reasonsToAsk++;
    this.#idle = false;
  }

  /** Blocks until there may be work: a marker, a call, a delayed task that is due, or the time to look anyway. */
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
      // What this node offers may be unknown by now, to Redis or to the others.
      this.ask();
      if (interruptions === this.#interruptions)
        throw new Error(`waiting for work failed: ${messageOf(error)}`, { cause: error });
    }
    return interruptions === this.#interruptions;
  }

  async interrupt(): Promise<void> {
    const connected = this.#options.blocking.status === 'ready';
    // Before the wait ends: the loop may make its next offer at once, and that is to stay.
    // An offer that can't be withdrawn must not keep the loop from ending.
    if (connected) await this.#withdrawOffer().catch(() => {});
    this.#interruptions++;
    this.ask();
    this.#endWait();
    // Without a connection nothing is blocked in Redis, and nothing can be written there.
    if (!connected) return;
    await this.#reconnect().catch(() => {});
    // The cut-off command may have just swallowed a wake-up; a needless one only costs a look.
    await this.#wakeAny().catch(() => {});
  }

  /** Wakes another node instead of this one, which offers no slot any more. */
  async reassign(): Promise<void> {
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
    // A command that goes out late may take a wake-up that this node does not wait for any more.
    woken.then((taken) => (taken && !waits ? this.#wakeAny() : undefined)).catch(() => {});
    const { promise: ended, resolve } = Promise.withResolvers<null>();
    this.#endWait = () => resolve(null);
    const timers = new AbortController();
    const overdue = () => clock.sleep(seconds * 1000 + OVERDUE_MS, timers.signal).then(() => 'overdue' as const);
    try {
      for (;;) {
        const answer = await Promise.race([woken, ended, overdue()]);
        if (answer !== 'overdue') return answer;
        // While Redis is away the command waits for the connection; on one that is there, no answer means that it's
        // dead.
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
   * Waits for the end of the old connection: reconnecting before it would be undone by its close. Does nothing while
   * there
   * is none: one that is being made again by itself has no end to wait for.
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
