import type { Redis } from 'ioredis';
import type { Clock } from '../domain/clock.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { primaryOf, type RedisTarget, troubleOf } from '../redis/connection.ts';
import { explainCommandError, isRedisError, passes } from '../redis/explain.ts';

/** Wait before Redis is queried again, ms. Reconnecting has its own back-off. */
const RETRY_MS = 250;

/** Callbacks for a program that waits for Redis. */
export interface OutageListener {
  /** Redis is away, or can't reply; with a one-line reason. Called once per outage. */
  readonly onOutage?: ((why: string) => void) | undefined;
  /** Redis replies again. */
  readonly onBack?: (() => void) | undefined;
}

/** A one-line error for any Redis error of a command; returns other errors unchanged. */
export function explained(error: unknown, redis: Redis, target: RedisTarget): unknown {
  if (error instanceof ClawmeshError || !isRedisError(error)) return error;
  return explainCommandError(error, troubleOf(redis), target, primaryOf(redis));
}

/**
 * Calls `ask`, and repeats it while Redis has a transient problem: a restart, a failover, a lost network. The request
 * may reach Redis several times, so it must only read.
 *
 * @param until monotonic time (ms) after which the problem is thrown instead; never if absent
 * @throws the error of `ask` unless it is transient; Redis errors become a ClawmeshError `redis`
 */
export async function throughOutages<T>(
  ask: () => Promise<T>,
  options: { redis: Redis; target: RedisTarget; clock: Clock; until?: number } & OutageListener,
): Promise<T> {
  const { redis, target, clock, until, onOutage, onBack } = options;
  for (let told = false; ; ) {
    try {
      const answer = await ask();
      if (told) onBack?.();
      return answer;
    } catch (error) {
      const line = explained(error, redis, target);
      if (!(line instanceof ClawmeshError) || !passes(error, line)) throw line;
      if (redis.status === 'end' || (until !== undefined && clock.monotonic() >= until)) throw line;
      if (!told) onOutage?.(line.message);
      told = true;
      // After a sleep or a network change, the connection may be half-open, and would never end by itself.
      if (redis.status === 'ready' && /timed out/.test(messageOf(error))) redis.disconnect(true);
      await clock.sleep(RETRY_MS);
    }
  }
}
