import type { GateState } from '../domain/node.ts';

/** Whether a node claims tasks, as its health routes report it. */
export interface NodeStanding {
  readonly ready: boolean;
  /** Null before the node has registered. */
  readonly incarnation: number | null;
  /** Why the node is not ready; empty if it is. */
  readonly reasons: readonly string[];
  readonly gates: readonly GateState[];
  /** Time since Redis accepted the last heartbeat, ms; null if it never did. */
  readonly heartbeatAgeMs: number | null;
}

export const NOT_UP_YET: NodeStanding = {
  ready: false,
  incarnation: null,
  reasons: ['not up yet'],
  gates: [],
  heartbeatAgeMs: null,
};

/** A node is ready if all its gates are open, and its lease holds as far as the node itself knows. */
export function nodeStanding(node: {
  readonly incarnation: number;
  readonly gates: readonly GateState[];
  readonly heartbeatAgeMs: number;
  readonly leaseMs: number;
}): NodeStanding {
  const { incarnation, gates, heartbeatAgeMs, leaseMs } = node;
  const closed = gates.flatMap(({ open, name, reason }) => (open ? [] : [`${name}: ${reason ?? 'closed'}`]));
  const isLate = heartbeatAgeMs > leaseMs;
  const since = Number.isFinite(heartbeatAgeMs) ? `for ${Math.round(heartbeatAgeMs / 1_000)}s` : 'yet';
  const late = isLate ? [`Redis has accepted no heartbeat ${since}`] : [];
  return {
    ready: closed.length === 0 && !isLate,
    incarnation,
    reasons: [...late, ...closed],
    gates,
    heartbeatAgeMs: Number.isFinite(heartbeatAgeMs) ? Math.round(heartbeatAgeMs) : null,
  };
}
