import type { Claim } from '../domain/claim.ts';
import type { Offer } from '../domain/dispatch.ts';
import type { HandoverReason } from '../domain/handover.ts';
import type { Outcome, TaskProgress } from '../domain/task.ts';
import type { EndedState } from '../domain/task-state.ts';

/**
 * What became of a report: the task has ended, waits for another attempt, or is held back until its provider recovers.
 */
export type ReportResult = EndedState | 'retry' | 'held';

/**
 * The queue as a node's daemon sees it: one pool, in domain verbs. BullMQ stands behind it (`bullmq/pool-consumer.ts`).
 *
 * Every method that changes a task checks the claim in the same atomic step; a claim that is gone is answered with a
 * ClawmeshError `claim-lost`, a fenced incarnation with `fenced`.
 */
export interface PoolQueue {
  readonly pool: string;
  /**
   * Blocks until there may be a task for this node, at most a few seconds; false where it's not worth asking, since
   * {@link interrupt} has ended the wait.
   */
  waitForWork(): Promise<boolean>;
  /**
   * Takes the next task, if there is one and the strategy gives it to this node; without an offer whatever that says.
   */
  claim(offer?: Offer): Promise<Claim | undefined>;
  /** Wakes another node for the work that this one was woken for, and has no slot for. */
  forwardWakeup(): Promise<void>;
  /** Takes the oldest task with this target, which is one of the node's, without waiting for one. */
  claimHeld(target: string): Promise<Claim | undefined>;
  /** Makes a blocked {@link waitForWork} return at once, without taking a wake-up away from other nodes. */
  interrupt(): Promise<void>;
  /**
   * Reports how the run ended; with an offer the slot gets the next claim in the same round trip, if the task has
   * ended.
   */
  report(
    claim: Claim,
    outcome: Outcome,
    offer?: Offer | undefined,
  ): Promise<{ settled: ReportResult; next: Claim | undefined }>;
  /**
   * The task's message with `{{result:<id>}}` replaced by what that task answered, and behind what was said last in a
   * session
   * that has to start anew, if that is wanted. @throws ClawmeshError `not-found` where there
   * is no such answer (any more).
   */
  renderMessage(claim: Claim): Promise<string>;
  /**
   * Gives the task to another node, since the provider refuses this one's login; that uses up no attempt, unless the
   * task
   * has had its one free run. Answers false where it has no further run, and is to be reported.
   */
  reassign(claim: Claim, reason: string): Promise<boolean>;
  /** Gives the task back to the head of its pool, for whatever reason; false where the claim was no longer ours. */
  release(claim: Claim, reason: HandoverReason): Promise<boolean>;
  /** Adds lines to the task's log and stores its latest progress. */
  log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void>;
  /** Renews claims; answers those that are lost. */
  renew(claims: readonly Claim[]): Promise<Claim[]>;
  /** Takes over the claims of this node's earlier incarnations: those of the named tasks, or all. */
  adopt(taskIds: readonly string[] | 'all'): Promise<Claim[]>;
  /**
   * Claims that this incarnation of the node holds in Redis without knowing it: the connection broke before the answer
   * came. To
   * be asked after a reconnect.
   */
  recover(): Promise<Claim[]>;
  /** Removes ended tasks that were kept long enough, some at a time; answers how many. */
  removeExpired(): Promise<number>;
  close(): Promise<void>;
}
