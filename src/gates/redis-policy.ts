import type { Gate } from './gate.ts';

/** A Redis that evicts throws tasks away. It is checked at start, too; somebody may have changed it since. */
export const redisPolicy: Gate = {
  name: 'redis-policy',
  check: ({ redisPolicy: policy }) => {
    if (policy === undefined || policy === 'noeviction') return null;
    return {
      reason: `Redis may throw tasks away: maxmemory-policy is ${policy}`,
      fix: 'redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf',
    };
  },
};
