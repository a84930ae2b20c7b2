import type { TaskState } from './task-state.ts';

/** Why a run failed; the names are part of the contract (CLI.md). */
export const ERROR_KINDS = [
  'auth',
  'invalid',
  'rate_limit',
  'provider',
  'timeout',
  'crash',
  'handover_limit',
  'cancelled',
  'unknown',
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['rate_limit', 'provider', 'timeout', 'crash', 'unknown']);

export interface TaskError {
  readonly kind: ErrorKind;
  readonly message: string;
  /** Whether another attempt could end better. */
  readonly retryable: boolean;
  /** How long the provider asked to be left alone, ms. */
  readonly retryAfterMs?: number | undefined;
  /** The provider has said that it serves nobody at present, so it's no fault of this task. */
  readonly outage?: boolean | undefined;
}

/** An error of this kind, retryable or not by its kind (DESIGN.md, "Retry vs handover"). */
export function taskError(kind: ErrorKind, message: string): TaskError {
  return { kind, message, retryable: RETRYABLE.has(kind) };
}

/** More tokens than any run uses; sums of thousands of such runs are still exact, in Redis and in JavaScript. */
export const MAX_TOKENS = 1e12;
/** More than any run costs, in any currency. */
export const MAX_COST = 1e9;

/**
 * Tokens used: whole numbers from 0 to {@link MAX_TOKENS}. `total` may exceed input + output where the provider counts its
 * cache.
 */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly total: number;
  /** In the provider's currency, from 0 to {@link MAX_COST}, where it is known. */
  readonly cost?: number | undefined;
}

export interface TaskResult {
  readonly text: string;
  readonly usage: Usage | null;
  readonly model: string | null;
  /** OpenClaw's id of the run, where it has one. */
  readonly runId: string | null;
  readonly durationMs: number;
}

/** Longest answer that is kept of a task, bytes; Redis and BullMQ copy it several times. */
export const MAX_RESULT_BYTES = 1_048_576;

/**
 * The result with its text cut to what is kept, and a last line that says so.
 *
 * @param leftOut how many bytes of the text were left out already, where it was read
 */
export function keptResult(result: TaskResult, leftOut = 0): TaskResult {
  const read = Buffer.byteLength(result.text);
  const bytes = read + leftOut;
  if (read <= MAX_RESULT_BYTES && leftOut === 0) return result;
  const note = `\n[cut here by clawmesh: the answer had ${bytes} bytes, ${Math.min(read, MAX_RESULT_BYTES)} are kept]`;
  const kept = Buffer.from(result.text).subarray(0, MAX_RESULT_BYTES - Buffer.byteLength(note));
  // A character that was cut in two becomes a replacement character; it's dropped.
  return { ...result, text: kept.toString('utf8').replace(/\ufffd$/, '') + note };
}

/** How a run ended. */
export type Outcome =
  | { readonly ok: true; readonly result: TaskResult }
  | { readonly ok: false; readonly error: TaskError };

/** A task, and where it is to be found. */
export interface TaskRef {
  readonly id: string;
  readonly pool: string;
}

/** What is wanted of OpenClaw: the part of a task that is fixed when it is enqueued. */
export interface TaskSpec {
  readonly message: string;
  readonly agent?: string | undefined;
  /** OpenClaw session to go on with; without one every attempt gets a fresh session. */
  readonly session?: string | undefined;
  readonly model?: string | undefined;
  readonly thinking?: string | undefined;
  /** The only node that may run it. */
  readonly node?: string | undefined;
  /** Another node may, too, if that one is gone before the task has started. */
  readonly nodeFallback?: boolean | undefined;
  /** Labels that a node must have to run it. */
  readonly require?: Readonly<Record<string, string>> | undefined;
  /** Idempotency key: enqueuing it again gives the first task. */
  readonly key?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** A task of a drill: it is simulated, whatever the mesh runs tasks with. */
  readonly probe?: boolean | undefined;
  /** Deadline of one attempt, in ms; the mesh's `queue.taskTimeout` where absent. */
  readonly timeoutMs?: number | undefined;
  /** Longest silence of a run, in ms; the mesh's `queue.idleTimeout` where absent. */
  readonly idleTimeoutMs?: number | undefined;
  /** Wait before the second attempt, in ms; the mesh's `queue.backoff.delay` where absent. */
  readonly backoffMs?: number | undefined;
  /** Runs once these have completed. */
  readonly after?: readonly TaskRef[] | undefined;
}

/** A task to be queued. */
export interface NewTask extends TaskSpec {
  /** Where it has been decided already; otherwise the task gets a new one. */
  readonly id?: string | undefined;
  readonly pool: string;
  /** 1 is served first, then 2 and so on; those with 0, which is none, come last, in order of arrival. */
  readonly priority: number;
  readonly delayMs: number;
  readonly attempts: number;
}

/** BullMQ packs the priority into the upper 21 bits of a score. */
export const MAX_PRIORITY = 2_097_151;
/** Redis and BullMQ copy a message several times; 1 MiB keeps a task below a millisecond of Redis time. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** `cut` stands for the middle of a history that became too long; its reason tells how much that was. */
export type HistoryEvent = 'enqueued' | 'claimed' | 'handover' | 'retry' | 'completed' | 'failed' | 'cancelled' | 'cut';

export interface HistoryEntry {
  readonly at: string;
  readonly event: HistoryEvent;
  readonly node: string | null;
  readonly attempt: number | null;
  readonly reason: string | null;
}

/** Everything about one task, as `task show --json` prints it (CLI.md). Times are ISO 8601, null until they happen. */
export interface Task {
  readonly id: string;
  readonly pool: string;
  readonly state: TaskState;
  readonly message: string;
  readonly agent: string | null;
  readonly session: string | null;
  readonly model: string | null;
  readonly thinking: string | null;
  readonly priority: number;
  /** Who has it now, or had it last. */
  readonly node: string | null;
  readonly attempts: { readonly made: number; readonly max: number };
  readonly handovers: number;
  readonly key: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly timeoutMs: number | null;
  readonly enqueuedAt: string;
  /** Start of the latest run. */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** When a delayed task becomes claimable. */
  readonly delayedUntil: string | null;
  /** What a waiting task is held back by: other tasks, or a provider that is in trouble; null for nothing. */
  readonly heldBy: string | null;
  /** Who may run it, as `node:<id>` or `require:<label>=<value>,…`; null for any node. */
  readonly target: string | null;
  /** The node that had its session before, where the session started anew on the one that ran it; null otherwise. */
  readonly sessionMovedFrom: string | null;
  readonly progress: TaskProgress | null;
  readonly result: TaskResult | null;
  readonly error: TaskError | null;
  /** When an operator acknowledged that it failed; null if it was not, or has not failed. */
  readonly acknowledgedAt: string | null;
  readonly history: readonly HistoryEntry[];
}

/** What a run reports while it goes on. */
export interface TaskProgress {
  readonly at: string;
  readonly note: string;
  readonly tokens: number | null;
  /** Where a run that would outlive its daemon was submitted to. */
  readonly submittedTo?: string | undefined;
}
