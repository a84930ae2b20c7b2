import type { Config } from '../config/schema.ts';
import type { Claim } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import type { OpenClawMode } from '../domain/node.ts';
import type { Outcome, TaskError, TaskSpec } from '../domain/task.ts';

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
   * Set where an earlier incarnation of this node claimed the task: what the runner said of the run when it was
   * `submitted`, or ''
   * if it never got to say so. A run that was begun is gone on with, if it can be, and never begun a second time beside
   * itself; one that never was begins now.
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

/** The run never began: OpenClaw was not given it. That says nothing about the task, which another node may run. */
export interface NotBegun {
  readonly ok: false;
  readonly begun: false;
  readonly error: TaskError;
}

export type RunResult = Outcome | NotBegun;

/** What is known of the OpenClaw behind a runner. */
export interface RunnerHealth {
  readonly version: string | null;
  readonly healthy: boolean;
  /** Why it isn't healthy, for people. */
  readonly reason: string | null;
}

/** What a runner can do. The daemon asks for this instead of comparing modes. */
export interface RunnerCapabilities {
  /** Runs continue in another process when the daemon dies, so a new incarnation adopts them. */
  readonly outlivesDaemon: boolean;
  /** A model provider is behind the runs, so its refusals say something about logins and circuits. */
  readonly hasProvider: boolean;
  /** How often {@link Runner.health} may be asked, ms from one call to the next. */
  readonly healthEveryMs: number;
}

/** Runs tasks through OpenClaw. */
export interface Runner {
  readonly mode: OpenClawMode;
  readonly capabilities: RunnerCapabilities;
  /**
   * Runs the task to its end and tells how it ended; never throws. When `signal` aborts, the run is stopped for real
   * (gateway abort, processes ended) before the promise settles; only a success that had come before still counts.
   */
  run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult>;
  /**
   * Called once a new incarnation of the node has taken up its former runs, those with these names: whatever else an
   * earlier incarnation
   * has left in OpenClaw is stopped. Until that is done the runner is not healthy. The promise is not about that: it
   * resolves when the node may claim.
   */
  stopLeftovers(takenUp: readonly string[]): Promise<void>;
  /** Looks at OpenClaw; may take seconds. */
  health(): Promise<RunnerHealth>;
  /**
   * Why OpenClaw has no login for the model that it runs tasks with by default; null if it has one, undefined if that
   * is not
   * known. Takes seconds, costs no tokens, never throws.
   */
  loginTrouble?(): Promise<string | null | undefined>;
  close(): Promise<void>;
}

/** The part of the config that runners know. */
export type OpenClawConfig = Pick<Config, 'openclaw'>;

export interface RunnerOptions {
  readonly config: OpenClawConfig;
  readonly nodeId: string;
  /** The environment of the runs, without clawmesh's own secrets. */
  readonly env: NodeJS.ProcessEnv;
  /** Folder for notes on runs that outlive the daemon; undefined for a runner that is given no task. */
  readonly submissions: string | undefined;
  readonly clock: Clock;
}

/** One way to run tasks. Each has its own file, which exports its kind, and a line in all.ts. */
export interface RunnerKind {
  readonly mode: OpenClawMode;
  readonly capabilities: RunnerCapabilities;
  /** Whether this machine has what the kind requires, for auto mode. Never rejects. */
  detect(options: Pick<RunnerOptions, 'config' | 'env' | 'clock'>): Promise<boolean>;
  create(options: RunnerOptions): Runner;
  /** Whether this node may have left runs that outlived its daemon. Only for kinds whose runs do that. */
  hasLeftRuns?(options: RunnerOptions): boolean;
}

/** The longest deadline that OpenClaw takes as it is, s (its own timers end at 2,147,000,000 ms). */
const MAX_OPENCLAW_TIMEOUT_S = 2_147_000;

/** The deadline that OpenClaw is told, in whole seconds, `graceS` after ours. */
export function openclawTimeoutS(timeoutMs: number, graceS = 0): number {
  return Math.min(Math.max(1, Math.ceil(timeoutMs / 1_000)) + graceS, MAX_OPENCLAW_TIMEOUT_S);
}

/** Name of a run, another one for each time the task is begun, and always the same however often that is submitted. */
export function runKey(run: Pick<Claim, 'taskId' | 'attempt' | 'handovers' | 'holds'>): string {
  const { taskId, attempt, handovers, holds } = run;
  const again = `${handovers > 0 ? `-h${handovers}` : ''}${holds > 0 ? `-w${holds}` : ''}`;
  return `clawmesh-${taskId.replaceAll(':', '-')}-${attempt}${again}`;
}
