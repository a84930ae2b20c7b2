import { ZodError } from 'zod';

/**
 * Answers of Redis that are about its own state, or about what an operator can mend, and not about what it was asked: the
 * same request is taken later. Redis before 7.0 wraps them into the error of the script that they came up in.
 */
const PASSING =
  /\b(?:LOADING|READONLY|OOM|BUSY|NOSCRIPT|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|UNBLOCKED|NOAUTH|WRONGPASS|NOPERM|DENIED)\b|max number of clients|[Ss]cript killed|can't run this command|ACL failure|not enough memory/;

/** Redis refuses what it was asked, and will refuse it again: what we sent, or what is stored, is wrong. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/**
 * Whether the same request would fail the same way again: a script of ours that fails, an answer that says so, or a fault of
 * this program. A connection that breaks, a Redis that is loading, full or a replica are none of these.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return !PASSING.test(error.message);
  return [RefusedError, ZodError, TypeError, RangeError, SyntaxError, ReferenceError].some(
    (kind) => error instanceof kind,
  );
}
