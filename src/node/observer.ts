import type { Claim } from '../domain/claim.ts';
import type { HandoverReason } from '../domain/handover.ts';
import type { TaskResult } from '../domain/task.ts';
import type { ReportResult } from '../queue/task-queue.ts';

/** How a run ended on this node: by a report that the queue accepted, or without an accepted report. */
export type RunEnd = ReportResult | 'released' | 'reassigned' | 'void';

/** Counts what a node does. */
export interface NodeObserver {
  /** A task was claimed. */
  claimed(claim: Claim): void;
  /** A run ended after `ranMs`; with its result, if it has one. */
  ended(claim: Claim, end: RunEnd, ranMs: number, result: TaskResult | undefined): void;
  /** This node has released, reassigned or requeued a task; the task may be of a dead node. */
  handedOver(reason: HandoverReason): void;
  /** Redis has replied to a heartbeat after `roundTripMs`. */
  beat(roundTripMs: number): void;
}

/** Counts nothing. */
export const NO_OBSERVER: NodeObserver = { claimed() {}, ended() {}, handedOver() {}, beat() {} };

/** An observer that never throws: a counting error is worth a log line, and must break no task, heartbeat or sweep. */
export function guarded(observer: NodeObserver, onError: (error: unknown) => void): NodeObserver {
  const safely = (observe: () => void) => {
    try {
      observe();
    } catch (error) {
      onError(error);
    }
  };
  return {
    claimed: (claim) => safely(() => observer.claimed(claim)),
    ended: (claim, end, ranMs, result) => safely(() => observer.ended(claim, end, ranMs, result)),
    handedOver: (reason) => safely(() => observer.handedOver(reason)),
    beat: (roundTripMs) => safely(() => observer.beat(roundTripMs)),
  };
}

/** One observer that forwards to all of these. */
export function allOf(observers: readonly NodeObserver[]): NodeObserver {
  return {
    claimed: (claim) => observers.forEach((observer) => void observer.claimed(claim)),
    ended: (claim, end, ranMs, result) =>
      observers.forEach((observer) => void observer.ended(claim, end, ranMs, result)),
    handedOver: (reason) => observers.forEach((observer) => void observer.handedOver(reason)),
    beat: (roundTripMs) => observers.forEach((observer) => void observer.beat(roundTripMs)),
  };
}
