export interface Backoff {
  /** Wait before the second attempt, ms. */
  readonly delay: number;
  /** Longest wait, ms. */
  readonly max: number;
  /** Random share of the wait, 0 to 1. */
  readonly jitter: number;
}

/** Wait after the failure of the `attempt`-th attempt, ms: `delay` doubled each time, capped, less a random share. */
export function backoffDelay(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const full = Math.min(backoff.delay * 2 ** Math.min(attempt - 1, 30), backoff.max);
  return Math.round(full * (1 - backoff.jitter * random()));
}
