import * as z from 'zod';

/** Why a node was declared dead. */
export type DeathReason = 'crash' | 'heartbeat' | 'evicted';

/** A node that was just declared dead. */
export interface Death {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly reason: DeathReason;
  /** Time since its last sign of life, ms. */
  readonly silentMs: number;
}

export interface SweepOptions {
  /** The node that sweeps. */
  readonly nodeId: string;
  /** The pools that it serves. */
  readonly pools: readonly string[];
  /** A sweep so soon after another only tells what that one has found, ms. */
  readonly intervalMs: number;
  /**
   * A longer time between two sweeps means that Redis or everybody stood still, ms: while there is work, and while not.
   */
  readonly stallMs: number;
  readonly idleStallMs: number;
  readonly leaseMs: number;
  /** How long a node's presence may be gone, ms. */
  readonly graceMs: number;
  /** All claims of the mesh are looked through so often, ms. */
  readonly passMs: number;
}

/** What a sweep has found. */
export interface Swept {
  /** How many nodes have a lease. */
  readonly nodes: number;
  /** How many of them come before this one; undefined where it was too soon to look. */
  readonly rank: number | undefined;
  /** Deaths whose tasks are still to be requeued. */
  readonly pending: number;
  /** When the grace of somebody who is gone will be over, ms from now; 0 if nobody is. */
  readonly dueMs: number;
  /** For how many pools and reasons tasks are held back. */
  readonly held: number;
  /** Whether anything in the mesh runs, waits for a slot or is held back. */
  readonly busy: boolean;
  /**
   * Whether tasks wait in pools that this node serves, and which nobody has paused; some node was just woken for them.
   */
  readonly waiting: boolean;
  /** Whether this node is the one to look through all claims now. */
  readonly pass: boolean;
  readonly deaths: readonly Death[];
}

const sweepReply = z.tuple(
  [z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()],
  z.union([z.string(), z.number()]),
);

/** Reads what `includes/sweep.lua` has answered. @throws ZodError where that is something else. */
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
