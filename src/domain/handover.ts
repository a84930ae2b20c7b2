/** Why a task left its node. */
export const HANDOVER_REASONS = {
  crash: 'The daemon of its node ended: its connection to Redis is gone, or a new incarnation has started.',
  heartbeat: "The node's lease ended without a heartbeat.",
  'visibility-timeout': 'The claim was not renewed for `queue.visibilityTimeout`; its node is unknown.',
  drain: 'The node drained, and released the task.',
  evicted: 'An operator evicted the node.',
  fenced: 'A newer incarnation of the node has fenced the one that had claimed the task.',
} as const;
export type HandoverReason = keyof typeof HANDOVER_REASONS;

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
  readonly sessionRestarted: boolean;
  /** Time from the last sign of life of `from` to the claim by `to`, ms; null until that claim. */
  readonly takeoverMs: number | null;
}
