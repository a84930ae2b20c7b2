import type { Claim } from '../domain/claim.ts';
import type { HandoverReason } from '../domain/handover.ts';
import type { TaskResult } from '../domain/task.ts';
import type { ReportResult } from '../queue/task-queue.ts';

/** How a run ended on this node: as the queue took its report, or without one that counts. */
export type RunEnd = ReportResult | 'released' | 'reassigned' | 'void';

/** Somebody who counts what a node does. */
export interface NodeObserver {
  /** A task was claimed. */
  claimed(claim: Claim): void;
  /** A run ended after `ranMs`; with its result, where it has one. */
  ended(claim: Claim, end: RunEnd, ranMs: number, result: TaskResult | undefined): void;
  /** This node has put a task back, its own or that of a dead node. */
  handedOver(reason: HandoverReason): void;
  /** Redis has answered a heartbeat after so long, ms. */
  beat(roundTripMs: number): void;
}

/** Where nobody counts. */
export const NO_OBSERVER: NodeObserver = { claimed() {}, ended() {}, handedOver() {}, beat() {} };

/**
 * An observer that never throws: a count that goes wrong is worth a line in the log, and no task, heartbeat or sweep.
 */
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

/** One observer that tells all of these. */
export function allOf(observers: readonly NodeObserver[]): NodeObserver {
  return {
    claimed: (claim) => observers.forEach((observer) => void observer.claimed(claim)),
    ended: (claim, end, ranMs, result) =>
      observers.forEach((observer) => void observer.ended(claim, end, ranMs, result)),
    handedOver: (reason) => observers.forEach((observer) => void observer.handedOver(reason)),
    beat: (roundTripMs) => observers.forEach((observer) => void observer.beat(roundTripMs)),
  };
}
