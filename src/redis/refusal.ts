import { ZodError } from 'zod';

/**
 * Error replies of Redis that depend on its own state, or on something an operator can fix, not on the request: Redis
 * will accept the same request later. Redis before 7.0 wraps them into the error of the running script.
 */
export const PASSING_REPLIES = [
  'LOADING',
  'READONLY',
  'OOM',
  'BUSY',
  'NOSCRIPT',
  'MISCONF',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MOVED',
  'ASK',
  'NOREPLICAS',
  'UNBLOCKED',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'DENIED',
] as const;
const PASSING = new RegExp(
  `\\b(?:${PASSING_REPLIES.join('|')})\\b|max number of clients|[Ss]cript killed|can't run this command|ACL failure|not enough memory`,
);

/** Redis refuses the request, and always will: the request or the stored data is wrong. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/**
 * Whether the same request would fail again in the same way: one of our scripts fails, the reply says so, or this
 * program has a bug. A broken connection, or a Redis that is loading, full or a replica, does not count.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return !PASSING.test(error.message);
  return [RefusedError, ZodError, TypeError, RangeError, SyntaxError, ReferenceError].some(
    (kind) => error instanceof kind,
  );
}
