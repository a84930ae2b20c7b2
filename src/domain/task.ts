import type { Delivery, Destination, Origin } from './delivery.ts';
import { ERROR_RULES, type ErrorKind } from './error-kind.ts';
import type { TaskState } from './task-state.ts';

/** Why a run failed, as the task keeps it. */
export interface TaskError {
  /** Why the run failed. */
  readonly kind: ErrorKind;
  /** What went wrong, for people. */
  readonly message: string;
  /** Whether another attempt could succeed. */
  readonly retryable: boolean;
}

/** Why a run failed, with what the mesh learns from it about the provider. */
export interface RunError extends TaskError {
  /** How long the provider asked clients to wait, ms. */
  readonly retryAfterMs?: number | undefined;
  /** The provider reported that it serves no requests at present, so the task is not at fault. */
  readonly outage?: boolean | undefined;
}

/** An error of this kind; the kind decides whether it is retryable. */
export function taskError(kind: ErrorKind, message: string): TaskError {
  return { kind, message, retryable: ERROR_RULES[kind].retryable };
}

/** More tokens than any run uses. Sums of thousands of such runs are still exact, in Redis and in JavaScript. */
export const MAX_TOKENS = 1e12;
/** More than any run costs, in any currency. */
export const MAX_COST = 1e9;

/**
 * Tokens used: whole numbers from 0 to 1e12. `total` may exceed input + output if the provider counts its
 * cache.
 */
export interface Usage {
  /** Tokens of the prompt. */
  readonly input: number;
  /** Tokens of the answer. */
  readonly output: number;
  /** All tokens. */
  readonly total: number;
  /** In the provider's currency, from 0 to 1e9, if known. */
  readonly cost?: number | undefined;
}

/** The outcome of a completed task. */
export interface TaskResult {
  /** The answer of the agent, at most 1 MiB. */
  readonly text: string;
  /** Tokens used; null if OpenClaw did not report them. */
  readonly usage: Usage | null;
  /** The model that answered; null if OpenClaw did not report it. */
  readonly model: string | null;
  /** OpenClaw's id of the run, if it has one. */
  readonly runId: string | null;
  /** How long the run took, ms. */
  readonly durationMs: number;
  /** URLs or paths of the files that the agent attached to its answer, at most 50; missing if there are none. */
  readonly media?: readonly string[] | undefined;
}

/** Longest answer that a task keeps, bytes. Redis and BullMQ copy it several times. */
export const MAX_RESULT_BYTES = 1_048_576;

/**
 * Cuts the text of a result to the maximum length, and adds a last line that says so.
 *
 * @param leftOut number of bytes that the reader of the text has already dropped
 */
export function keptResult(result: TaskResult, leftOut = 0): TaskResult {
  const read = Buffer.byteLength(result.text);
  const bytes = read + leftOut;
  if (read <= MAX_RESULT_BYTES && leftOut === 0) return result;
  const note = `\n[cut here by clawmesh: the answer had ${bytes} bytes, of which ${Math.min(read, MAX_RESULT_BYTES)} are kept]`;
  const kept = Buffer.from(result.text).subarray(0, MAX_RESULT_BYTES - Buffer.byteLength(note));
  // A character that was cut in two becomes a replacement character; drop it.
  return { ...result, text: kept.toString('utf8').replace(/\ufffd$/, '') + note };
}

/** How a run ended. */
export type Outcome =
  | { readonly ok: true; readonly result: TaskResult }
  | { readonly ok: false; readonly error: RunError };

/** A task's id and its pool. */
export interface TaskRef {
  /** Id of the task. */
  readonly id: string;
  /** Pool of the task. */
  readonly pool: string;
}

/** What OpenClaw is asked to do: the part of a task that is fixed when it is enqueued. */
export interface TaskSpec {
  /** Prompt for the agent. */
  readonly message: string;
  /** OpenClaw agent; missing for OpenClaw's default. */
  readonly agent?: string | undefined;
  /** OpenClaw session to continue; without one, every attempt gets a fresh session. */
  readonly session?: string | undefined;
  /** Model; missing for the agent's default. */
  readonly model?: string | undefined;
  /** Thinking level; missing for the agent's default. */
  readonly thinking?: string | undefined;
  /** The only node that may run the task. */
  readonly node?: string | undefined;
  /** Lets another node run the task if `node` is gone before the task has started. */
  readonly nodeFallback?: boolean | undefined;
  /** Labels that a node must have to run the task. */
  readonly require?: Readonly<Record<string, string>> | undefined;
  /** Idempotency key: reusing it returns the original task. */
  readonly key?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** A task of a drill. It is always simulated, regardless of the mesh's mode. */
  readonly probe?: boolean | undefined;
  /** Deadline of one attempt, ms; defaults to the mesh's `queue.taskTimeout`. */
  readonly timeoutMs?: number | undefined;
  /** Longest silence of a run, ms; defaults to the mesh's `queue.idleTimeout`. */
  readonly idleTimeoutMs?: number | undefined;
  /** Wait before the second attempt, ms; defaults to the mesh's `queue.backoff.delay`. */
  readonly backoffMs?: number | undefined;
  /** The task runs once these have completed. */
  readonly after?: readonly TaskRef[] | undefined;
  /** Where the answer is sent when the task has ended; missing for nowhere. */
  readonly deliver?: Destination | undefined;
  /** The chat that the task was requested in; missing if it was not requested in a chat. */
  readonly origin?: Origin | undefined;
}

/** A task to be queued. */
export interface NewTask extends TaskSpec {
  /** Set if the caller has chosen the id; otherwise the task gets a new one. */
  readonly id?: string | undefined;
  readonly pool: string;
  /** 1 is served first, then 2, and so on. Tasks with 0 (no priority) come last, in order of arrival. */
  readonly priority: number;
  readonly delayMs: number;
  readonly attempts: number;
}

/** BullMQ packs the priority into the upper 21 bits of a score. */
export const MAX_PRIORITY = 2_097_151;
/** Redis and BullMQ copy a message several times. At 1 MiB, a task costs less than a millisecond of Redis time. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** `cut` replaces the middle of a history that became too long; its reason says how much was cut. */
export type HistoryEvent = 'enqueued' | 'claimed' | 'handover' | 'retry' | 'completed' | 'failed' | 'cancelled' | 'cut';

/** What happened to a task, and when. */
export interface HistoryEntry {
  /** ISO 8601. */
  readonly at: string;
  /** What happened. */
  readonly event: HistoryEvent;
  /** The node that ran the task then; null for an event without a node. */
  readonly node: string | null;
  /** The attempt, from 1; null for an event without one. */
  readonly attempt: number | null;
  /** The reason, for people; null if there is none. */
  readonly reason: string | null;
}

/** Everything about one task, as `task show --json` prints it. Times are ISO 8601, null until they happen. */
export interface Task {
  /** 26 characters that sort by time. Tasks of schedules: `repeat:<schedule>:<time>`. */
  readonly id: string;
  /** The pool it was queued in. */
  readonly pool: string;
  /** Held tasks are shown as `waiting`, see `heldBy`. */
  readonly state: TaskState;
  /** Prompt for the agent. */
  readonly message: string;
  /** OpenClaw agent; null for OpenClaw's default. */
  readonly agent: string | null;
  /** OpenClaw session that it continues; null for a fresh session per attempt. */
  readonly session: string | null;
  /** Model; null for the agent's default. */
  readonly model: string | null;
  /** Thinking level; null for the agent's default. */
  readonly thinking: string | null;
  /** 1 is served first; 0 (no priority) comes last. */
  readonly priority: number;
  /** The current node of the task, or its last one. */
  readonly node: string | null;
  /** Attempts that count against the limit. A handover uses up none. */
  readonly attempts: {
    /** Attempts that have ended. */
    readonly made: number;
    /** Limit. */
    readonly max: number;
  };
  /** How often the task was requeued because its node was lost, drained or fenced. */
  readonly handovers: number;
  /** Idempotency key; null without one. */
  readonly key: string | null;
  /** Tags by name. */
  readonly tags: Readonly<Record<string, string>>;
  /** Deadline of one attempt, ms; null for the mesh's `queue.taskTimeout`. */
  readonly timeoutMs: number | null;
  /** When it was queued. */
  readonly enqueuedAt: string;
  /** Start of the latest run. */
  readonly startedAt: string | null;
  /** When it completed, failed for good or was cancelled. */
  readonly finishedAt: string | null;
  /** When a delayed task becomes claimable. */
  readonly delayedUntil: string | null;
  /** What a waiting task is held by, such as other tasks or an open circuit; null for nothing. */
  readonly heldBy: string | null;
  /** The nodes that may run it, as `node:<id>` or `require:<label>=<value>,…`; null for any node. */
  readonly target: string | null;
  /**
   * The previous sticky node of the session, if the session restarted on the node that ran the task; null otherwise.
   */
  readonly sessionMovedFrom: string | null;
  /** The last progress of the latest run; null if none was reported. */
  readonly progress: TaskProgress | null;
  /** Null until the task has completed. */
  readonly result: TaskResult | null;
  /** The error of the latest failed run; null if none has failed, or the task has completed. */
  readonly error: TaskError | null;
  /** The chat that the task was requested in; null if it was not requested in a chat. */
  readonly origin: Origin | null;
  /** Whether the answer has been sent to its recipient; null without a recipient. */
  readonly delivery: Delivery | null;
  /** When an operator acknowledged the failure; null if the task has not failed or was not acknowledged. */
  readonly acknowledgedAt: string | null;
  /** The oldest entry first; at most about 100. */
  readonly history: readonly HistoryEntry[];
}

/** What a run reports while it is running. */
export interface TaskProgress {
  /** ISO 8601. */
  readonly at: string;
  /** The run's last progress message. */
  readonly note: string;
  /** Tokens used so far; null if unknown. */
  readonly tokens: number | null;
  /** Where the run was submitted to, if it can outlive the daemon. */
  readonly submittedTo?: string | undefined;
}
