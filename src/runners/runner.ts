import type { OpenClawMode } from '../domain/node.ts';
import type { Outcome, TaskSpec } from '../domain/task.ts';

/** One attempt to be run. */
export interface RunRequest {
  readonly taskId: string;
  readonly attempt: number;
  readonly handovers: number;
  /** Runs that counted neither as attempts nor as handovers. */
  readonly holds: number;
  readonly nodeId: string;
  readonly spec: TaskSpec;
  /** The attempt's deadline, ms from now. The caller enforces it through the signal; it's passed on to OpenClaw. */
  readonly timeoutMs: number;
  /**
   * Set where a former life of this node began the run: what the runner said of it when it was `submitted`, or '' if it
   * never got to say so. The run is gone on with, if it can be, and never begun a second time beside itself.
   */
  readonly resumes?: string | undefined;
}

/** Something a run reports while it goes on. */
export type RunEvent =
  | { readonly type: 'log'; readonly text: string }
  /** The agent goes on with what it says. */
  | { readonly type: 'text'; readonly delta: string }
  /** Nothing worth telling, but the run lives. */
  | { readonly type: 'alive' }
  /** The run is out of the daemon's hands and would outlive it; `to` is what it takes to find it again. */
  | { readonly type: 'submitted'; readonly to: string }
  /** `tokens`: used so far, where known. */
  | { readonly type: 'progress'; readonly note: string; readonly tokens: number | null };

/** What is known of the OpenClaw behind a runner. */
export interface RunnerHealth {
  readonly version: string | null;
  readonly healthy: boolean;
  /** Why it isn't healthy, for people. */
  readonly reason: string | null;
}

/** Runs tasks through OpenClaw. */
export interface Runner {
  readonly mode: OpenClawMode;
  /**
   * Runs the task to its end and tells how it ended; never throws. When `signal` aborts, the run is stopped for real
   * (gateway abort, processes ended) before the promise settles; only a success that had come before still counts.
   */
  run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<Outcome>;
  /**
   * Called once a new life of the node has taken up its former runs: whatever else of ours still goes on in OpenClaw is
   * stopped, now and each time OpenClaw comes back. Until that is done the runner is not healthy. The promise is not about
   * that: it resolves when the node may claim.
   */
  settle(): Promise<void>;
  /** Looks at OpenClaw; may take seconds. */
  health(): Promise<RunnerHealth>;
  close(): Promise<void>;
}

/** The longest deadline that OpenClaw takes as it is, s (its own timers end at 2,147,000,000 ms). */
const MAX_OPENCLAW_TIMEOUT_S = 2_147_000;

/** The deadline that OpenClaw is told, in whole seconds, `graceS` after ours. */
export function openclawTimeoutS(timeoutMs: number, graceS = 0): number {
  return Math.min(Math.max(1, Math.ceil(timeoutMs / 1_000)) + graceS, MAX_OPENCLAW_TIMEOUT_S);
}

/** Name of a run, another one for each time the task is begun, and always the same however often that is submitted. */
export function runKey(request: RunRequest): string {
  const { taskId, attempt, handovers, holds } = request;
  const again = `${handovers > 0 ? `-h${handovers}` : ''}${holds > 0 ? `-w${holds}` : ''}`;
  return `clawmesh-${taskId.replaceAll(':', '-')}-${attempt}${again}`;
}
