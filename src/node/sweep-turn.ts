/**
 * When it is this node's turn to sweep, ms from now: Redis time is cut into intervals, and each belongs to one of the nodes
 * in order. Nobody has to be told, the sweeps of a mesh are evenly apart, and one that is missed because its node has died
 * is made good by the next.
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
  // A timer that was a little early must not have the same turn twice.
  return waitMs < intervalMs / 2 ? waitMs + roundMs : waitMs;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
