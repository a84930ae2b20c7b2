/**
 * When it is this node's turn to sweep, ms from now. Redis time is divided into intervals, and each belongs to one of
 * the nodes in order. So turns need no messages, the sweeps of a mesh are evenly spaced, and the next sweep makes up
 * for one that a dead node missed.
 */
export function sweepTurn(turn: {
  /** Redis time, ms. */
  readonly now: number;
  /** How many nodes come before this one. */
  readonly rank: number;
  readonly nodes: number;
  readonly intervalMs: number;
}): number {
  const { now, rank, nodes, intervalMs } = turn;
  const roundMs = Math.max(1, nodes) * intervalMs;
  const waitMs = modulo(rank * intervalMs - now, roundMs);
  // A timer that was slightly early must not get the same turn twice.
  return waitMs < intervalMs / 2 ? waitMs + roundMs : waitMs;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
