/** Why a task left its node. */
export type HandoverReason = 'crash' | 'heartbeat' | 'visibility-timeout' | 'drain' | 'evicted' | 'fenced';

/** The move of a task from one node to another, as `handovers --json` prints it. */
export interface Handover {
  readonly at: string;
  readonly taskId: string;
  readonly from: string;
  /** The node that claimed the task next; null until then. */
  readonly to: string | null;
  readonly reason: HandoverReason;
  /** How long the task had run, ms. */
  readonly ranMs: number;
  /** Time from the last sign of life of `from` until the task was taken from it, ms. */
  readonly silentMs: number;
  /** Whether the session had to restart on `to`, because the OpenClaw there has no transcript of it. */
  readonly sessionRestarted: boolean;
  /** Time from the last sign of life of `from` to the claim by `to`, ms; null until that claim. */
  readonly takeoverMs: number | null;
}
