import { defineGate } from './gate.ts';

/** A Redis that evicts keys loses tasks. The daemon also checks this at start, but the policy may change later. */
export const redisPolicy = defineGate({
  name: 'redis-policy',
  check: ({ redisPolicy: policy }) =>
    policy === undefined || policy === 'noeviction'
      ? null
      : { problem: `Redis may evict tasks: maxmemory-policy is ${policy}` },
  remedy: 'redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf too',
});
