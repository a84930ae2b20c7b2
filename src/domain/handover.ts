/** Why a task left its node. */
export type HandoverReason = 'crash' | 'heartbeat' | 'visibility-timeout' | 'drain' | 'evicted' | 'fenced';

/** A task left one node for another, as `handovers --json` prints it (CLI.md). */
export interface Handover {
  readonly at: string;
  readonly taskId: string;
  readonly from: string;
  /** Who took it next; null until somebody does. */
  readonly to: string | null;
  readonly reason: HandoverReason;
  /** How long it had run, ms. */
  readonly ranMs: number;
  /** How long `from` had given no sign of life when the task was taken away, ms. */
  readonly silentMs: number;
  /** Whether the task's session had to start anew on `to`, whose OpenClaw knows nothing of it. */
  readonly sessionAnew: boolean;
  /** From the last sign of life of `from` to the claim by `to`, ms; null until then. */
  readonly takeoverMs: number | null;
}
