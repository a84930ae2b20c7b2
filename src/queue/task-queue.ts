import type { Claim } from '../domain/claim.ts';
import type { Offer } from '../domain/dispatch.ts';
import type { HandoverReason } from '../domain/handover.ts';
import type { Outcome, TaskProgress } from '../domain/task.ts';
import type { EndedState } from '../domain/task-state.ts';

/** The result of a report: the task has ended, waits for another attempt, or is held until its provider recovers. */
export type ReportResult = EndedState | 'retry' | 'held';

/**
 * The queue as a node's daemon sees it: one pool, in domain terms, implemented with BullMQ (`bullmq/pool-consumer.ts`).
 *
 * Every method that changes a task checks the claim in the same atomic step. It throws a ClawmeshError `claim-lost` if
 * the claim is gone, and `fenced` for a fenced incarnation.
 */
export interface PoolQueue {
  readonly pool: string;
  /**
   * Blocks for at most a few seconds until there may be a task for this node. Returns false if {@link interrupt} has
   * ended the wait, so that asking is pointless.
   */
  waitForWork(): Promise<boolean>;
  /** Claims the next task, if there is one and the strategy allows it; without an offer, regardless of the strategy. */
  claim(offer?: Offer): Promise<Claim | undefined>;
  /** Wakes another node, if this one was woken for work but has no free slot. */
  forwardWakeup(): Promise<void>;
  /** Claims the first task held for this reason, by priority and age, if there is one. Does not wait. */
  claimHeld(target: string): Promise<Claim | undefined>;
  /** Makes a blocked {@link waitForWork} return at once, without taking a wake-up away from other nodes. */
  interrupt(): Promise<void>;
  /**
   * Reports the outcome of a run. With an offer, the slot gets the next claim in the same round trip, if the task has
   * ended.
   */
  report(
    claim: Claim,
    outcome: Outcome,
    offer?: Offer | undefined,
  ): Promise<{ settled: ReportResult; next: Claim | undefined }>;
  /**
   * The task's message with each `{{result:<id>}}` replaced by the result text of that task. If the session has to
   * restart, its last exchanges come first, if the config asks for them.
   *
   * @throws ClawmeshError `not-found` if there is no such result (any more).
   */
  renderMessage(claim: Claim): Promise<string>;
  /**
   * Reassigns the task to another node, because the provider refuses this node's login. This uses up no attempt, unless
   * the task has already used its one free run. Returns false if no further run is left; then the caller must report
   * the outcome.
   */
  reassign(claim: Claim, reason: string): Promise<boolean>;
  /** Releases the task to the head of its pool, for any reason; false if this node had lost the claim. */
  release(claim: Claim, reason: HandoverReason): Promise<boolean>;
  /** Adds lines to the task's log and stores its latest progress. */
  log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void>;
  /** Renews claims; returns the lost ones. */
  renew(claims: readonly Claim[]): Promise<Claim[]>;
  /** Adopts the claims of this node's earlier incarnations: those of the named tasks, or all. */
  adopt(taskIds: readonly string[] | 'all'): Promise<Claim[]>;
  /**
   * Claims of this incarnation in Redis that it does not know, because the connection broke before the reply arrived.
   * Call this after a reconnect.
   */
  recover(): Promise<Claim[]>;
  /** Removes some of the ended tasks that were kept long enough; returns their number. */
  removeExpired(): Promise<number>;
  close(): Promise<void>;
}
