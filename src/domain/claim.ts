import type { HandoverReason } from './handover.ts';
import type { TaskSpec } from './task.ts';

/** One start of a node's daemon; `incarnation` is given out by Redis and grows with every start. */
export interface Incarnation {
  readonly nodeId: string;
  readonly incarnation: number;
}

/**
 * The lock token of a claim: `<nodeId>~<incarnation>:<n>`. BullMQ stores it as the value of the task's lock, so the
 * lock
 * itself says who holds the task. The colon ends the incarnation, so that `a~1:` is no prefix of `a~10:2`.
 */
export function claimToken(owner: Incarnation, n: number): string {
  return `${owner.nodeId}~${owner.incarnation}:${n}`;
}

/** The owner named by a lock token; undefined for a token that is not ours. */
export function tokenOwner(token: string): Incarnation | undefined {
  const [, nodeId, incarnation] = /^([^~:]+)~(\d+):\d+$/.exec(token) ?? [];
  return nodeId && incarnation ? { nodeId, incarnation: Number(incarnation) } : undefined;
}

/** A task this node holds, and what it needs to run it and to report. */
export interface Claim {
  readonly taskId: string;
  readonly pool: string;
  readonly token: string;
  readonly spec: TaskSpec;
  /** 1 for the first run; a handover keeps the number. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly handovers: number;
  /** Runs that counted neither as attempts nor as handovers: the provider was in trouble. */
  readonly holds: number;
  /** The node whose login the provider refused for this task. */
  readonly refusedOn: string | null;
  /** The node that it was for is gone, so any may run it. */
  readonly fellBack?: boolean;
  /** The node that its session was sticky to before; the session starts anew. */
  readonly movedFrom?: string | undefined;
  /** Set where an earlier incarnation of this node began the run; see `RunRequest.resumes`. */
  readonly resumes?: string | undefined;
  /** The trace that the task was queued in, as BullMQ keeps it; see `Tracing`. */
  readonly trace?: string | undefined;
  /** Redis time of the claim, ms since the epoch. */
  readonly claimedAt: number;
  /** When the task was first ready to be claimed: queued, and not delayed any more. Redis time, ms since the epoch. */
  readonly readyAt: number;
  /**
   * Set where the task comes from another node: why, and when that node gave its last sign of life (ms, Redis time).
   */
  readonly takenOver?: { readonly reason: HandoverReason; readonly lostAt: number } | undefined;
}
