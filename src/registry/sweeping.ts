import * as z from 'zod';

export type DeathReason = 'crash' | 'heartbeat' | 'evicted';

/** A node that this sweep has declared dead. */
export interface Death {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly reason: DeathReason;
  /** Time since its last sign of life, ms. */
  readonly silentMs: number;
}

export interface SweepOptions {
  /** The sweeping node. */
  readonly nodeId: string;
  /** The pools that the sweeping node serves. */
  readonly pools: readonly string[];
  /** A sweep sooner than this after the last one does not look for dead nodes, ms. */
  readonly intervalMs: number;
  /**
   * A longer time between two sweeps means that Redis or all nodes stood still, ms: for a mesh with work, and without.
   */
  readonly stallMs: number;
  readonly idleStallMs: number;
  readonly leaseMs: number;
  /** How long a node's presence may be gone, ms. */
  readonly graceMs: number;
  /** Interval between passes through all claims of the mesh, ms. */
  readonly passMs: number;
}

/** The result of a sweep. */
export interface Swept {
  /** Number of nodes with a lease. */
  readonly nodes: number;
  /** Number of those nodes that sort before this one; undefined if the sweep was too soon after the last one. */
  readonly rank: number | undefined;
  /** Deaths whose tasks are still to be requeued. */
  readonly pending: number;
  /** Time until the grace of an absent node ends, ms; 0 if no node is absent. */
  readonly dueMs: number;
  /** Number of pairs of pool and reason with held tasks. */
  readonly held: number;
  /** Whether the mesh has running, waiting or held tasks, or unhandled deaths. */
  readonly busy: boolean;
  /** Whether tasks wait in unpaused pools that this node serves; the sweep has just woken a node for them. */
  readonly waiting: boolean;
  /** Whether this node must check all claims now. */
  readonly pass: boolean;
  readonly deaths: readonly Death[];
}

const sweepReply = z.tuple(
  [z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()],
  z.union([z.string(), z.number()]),
);

/** Parses the result of `includes/sweep.lua`. @throws ZodError if it has another shape. */
export function readSwept(reply: unknown): Swept {
  const [nodes, rank, pending, dueMs, held, busy, pass, ...dead] = sweepReply.parse(reply);
  const deaths: Death[] = [];
  for (let i = 0; i + 3 < dead.length; i += 4) {
    const [nodeId, incarnation, reason, silentMs] = dead.slice(i, i + 4);
    deaths.push({
      nodeId: String(nodeId),
      incarnation: Number(incarnation),
      reason: reason as DeathReason,
      silentMs: Number(silentMs),
    });
  }
  return {
    nodes,
    rank: rank < 0 ? undefined : rank,
    pending,
    dueMs,
    held,
    busy: busy > 0,
    waiting: busy === 2,
    pass: pass === 1,
    deaths,
  };
}
