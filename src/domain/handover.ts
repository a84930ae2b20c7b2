/** Why a task left its node. */
export type HandoverReason = 'crash' | 'heartbeat' | 'visibility-timeout' | 'drain' | 'evicted' | 'fenced';

/** The move of a task from one node to another, as `handovers --json` prints it. */
export interface Handover {
  /** When the task was taken from its node (ISO 8601). */
  readonly at: string;
  /** Id of the task. */
  readonly taskId: string;
  /** The node that had claimed it. */
  readonly from: string;
  /** The node that claimed the task next; null until then. */
  readonly to: string | null;
  /** Why it was taken. */
  readonly reason: HandoverReason;
  /** How long the task had run, ms. */
  readonly ranMs: number;
  /** Time from the last sign of life of `from` until the task was taken from it, ms. */
  readonly silentMs: number;
  /** Whether the session had to restart on `to`, because the OpenClaw there has no transcript of it. */
  readonly sessionAnew: boolean;
  /** Time from the last sign of life of `from` to the claim by `to`, ms; null until that claim. */
  readonly takeoverMs: number | null;
}
