import type { Redis } from 'ioredis';
import type { Clock } from '../domain/clock.ts';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { primaryOf, type RedisTarget, troubleOf } from '../redis/connection.ts';
import { explainCommandError, isRedisError, passes } from '../redis/explain.ts';

/** Wait before Redis is asked again, ms. Reconnecting has a back-off of its own. */
const RETRY_MS = 250;

/** What a program is told while it waits for Redis. */
export interface OutageListener {
  /** Redis is away, or can't answer: one line of why. Once per outage. */
  readonly onOutage?: ((why: string) => void) | undefined;
  /** It answers again. */
  readonly onBack?: (() => void) | undefined;
}

/** One line for whatever a command has thrown; what has nothing to do with Redis stays as it is. */
export function explained(error: unknown, redis: Redis, target: RedisTarget): unknown {
  if (error instanceof ClawmeshError || !isRedisError(error)) return error;
  return explainCommandError(error, troubleOf(redis), target, primaryOf(redis));
}

/**
 * Asks Redis, and again for as long as it has trouble that passes by itself: a restart, a failover, a network that is
 * away.
 * The question may reach Redis several times, so it must only read.
 *
 * @param until monotonic time (ms) after which the trouble is thrown instead; never if absent
 * @throws what `ask` throws but such trouble, Redis errors as a ClawmeshError `redis`
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
      // A machine that slept, or changed its network, has a connection that nobody serves and that never ends by
      // itself.
      if (redis.status === 'ready' && /timed out/.test(messageOf(error))) redis.disconnect(true);
      await clock.sleep(RETRY_MS);
    }
  }
}
