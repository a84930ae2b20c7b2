import type { HandoverReason } from './handover.ts';
import type { TaskSpec } from './task.ts';

/** One start of a node's daemon. Redis assigns `incarnation`, which grows with every start. */
export interface Incarnation {
  readonly nodeId: string;
  readonly incarnation: number;
}

/**
 * The lock token of a claim: `<nodeId>~<incarnation>:<n>`. BullMQ stores it as the value of the task's lock, so the
 * lock itself names the owner. The colon ends the incarnation, so that `a~1:` is not a prefix of `a~10:2`.
 */
export function claimToken(owner: Incarnation, n: number): string {
  return `${owner.nodeId}~${owner.incarnation}:${n}`;
}

/** The owner that a lock token names; undefined for a foreign token. */
export function tokenOwner(token: string): Incarnation | undefined {
  const [, nodeId, incarnation] = /^([^~:]+)~(\d+):\d+$/.exec(token) ?? [];
  return nodeId && incarnation ? { nodeId, incarnation: Number(incarnation) } : undefined;
}

/** A task that this node has claimed, with everything it needs to run the task and report the outcome. */
export interface Claim {
  readonly taskId: string;
  readonly pool: string;
  readonly token: string;
  readonly spec: TaskSpec;
  /** 1 for the first run; a handover keeps the number. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly handovers: number;
  /** Runs that counted neither as attempts nor as handovers, because the provider was failing. */
  readonly holds: number;
  /** Why the last run that did not end the task ended; undefined if there was none. For people and agents. */
  readonly previousEnd?: string | undefined;
  /** The node whose login the provider refused for this task. */
  readonly refusedOn: string | null;
  /** The task's own node is gone, so any node may run it. */
  readonly fellBack?: boolean;
  /** The previous sticky node of the session. The session starts without its transcript. */
  readonly movedFrom?: string | undefined;
  /** Set if an earlier incarnation of this node started the run; see `RunRequest.resumes`. */
  readonly resumes?: string | undefined;
  /** The trace that was active at enqueue, as BullMQ keeps it; see `Tracing`. */
  readonly trace?: string | undefined;
  /** Redis time of the claim, ms since the epoch. */
  readonly claimedAt: number;
  /** When the task first became claimable: queued, and no longer delayed. Redis time, ms since the epoch. */
  readonly readyAt: number;
  /**
   * Set if the task comes from another node: the reason, and the time of that node's last sign of life (ms, Redis
   * time).
   */
  readonly takenOver?: { readonly reason: HandoverReason; readonly lostAt: number } | undefined;
}
