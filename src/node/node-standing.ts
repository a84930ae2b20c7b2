import type { Incarnation } from '../domain/claim.ts';
import type { GateState } from '../domain/node.ts';

/** Whether a node claims tasks, for those who look at it from outside. */
export interface NodeStanding {
  readonly ready: boolean;
  /** Null where it has none yet. */
  readonly incarnation: number | null;
  /** Why it is not ready; empty where it is. */
  readonly reasons: readonly string[];
  readonly gates: readonly GateState[];
  /** Since Redis took the last heartbeat, ms; null where it never did. */
  readonly heartbeatAgeMs: number | null;
}

/** How a node stands that has not registered yet. */
export const NOT_UP_YET: NodeStanding = {
  ready: false,
  incarnation: null,
  reasons: ['not up yet'],
  gates: [],
  heartbeatAgeMs: null,
};

/** A node is ready if all its gates are open, and its lease holds as far as it knows itself. */
export function nodeStanding(
  { incarnation }: Incarnation,
  gates: readonly GateState[],
  heartbeatAgeMs: number,
  leaseMs: number,
): NodeStanding {
  const closed = gates.flatMap(({ open, name, reason }) => (open ? [] : [`${name}: ${reason ?? 'closed'}`]));
  const isLate = heartbeatAgeMs > leaseMs;
  const late = isLate ? [`Redis has taken no heartbeat for ${Math.round(heartbeatAgeMs / 1_000)}s`] : [];
  return {
    ready: closed.length === 0 && !isLate,
    incarnation,
    reasons: [...late, ...closed],
    gates,
    heartbeatAgeMs: Number.isFinite(heartbeatAgeMs) ? Math.round(heartbeatAgeMs) : null,
  };
}
