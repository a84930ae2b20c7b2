import { defineGate } from './gate.ts';

/** A Redis that evicts keys loses tasks. It is checked at start, too, but may have been changed since. */
export const redisPolicy = defineGate({
  name: 'redis-policy',
  check: ({ redisPolicy: policy }) =>
    policy === undefined || policy === 'noeviction'
      ? null
      : { reason: `Redis may throw tasks away: maxmemory-policy is ${policy}` },
  fix: 'redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf',
});
