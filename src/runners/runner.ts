import type { Config } from '../config/schema.ts';
import type { Claim } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import type { OpenClawMode } from '../domain/node.ts';
import type { Outcome, RunError, TaskSpec } from '../domain/task.ts';
import type { Messenger } from './messenger.ts';

/** One attempt to run. */
export interface RunRequest {
  readonly taskId: string;
  readonly attempt: number;
  readonly handovers: number;
  /** Runs that counted neither as attempts nor as handovers. */
  readonly holds: number;
  readonly nodeId: string;
  /** See `Claim.previousEnd`. */
  readonly previousEnd?: string | undefined;
  readonly spec: TaskSpec;
  /**
   * The attempt's deadline, ms from now. The caller enforces it through the signal; the runner passes it on to
   * OpenClaw.
   */
  readonly timeoutMs: number;
  /**
   * Set if an earlier incarnation of this node claimed the task. It is the `to` of the run's `submitted` event, or ''
   * if there was none. A run that has begun is resumed if possible, and never begun twice. A run
   * that has not begun starts now.
   */
  readonly resumes?: string | undefined;
}

/** An event of a run under way. */
export type RunEvent =
  | { readonly type: 'log'; readonly text: string }
  /** More of the agent's text. */
  | { readonly type: 'text'; readonly delta: string }
  /** No reportable change, but the run is alive. */
  | { readonly type: 'alive' }
  /** The run is outside the daemon and would outlive it; `to` is what the next incarnation needs to find it again. */
  | { readonly type: 'submitted'; readonly to: string }
  /** `tokens`: used so far, if known. */
  | { readonly type: 'progress'; readonly note: string; readonly tokens: number | null };

/**
 * The run never began, since OpenClaw did not receive it. This says nothing about the task, so another node may run it.
 */
export interface NotBegun {
  readonly ok: false;
  readonly begun: false;
  readonly error: RunError;
}

export type RunResult = Outcome | NotBegun;

/** The health of the OpenClaw behind a runner. */
export interface RunnerHealth {
  readonly version: string | null;
  readonly healthy: boolean;
  /** Why OpenClaw is not healthy, for operators. */
  readonly reason: string | null;
}

/** Properties of a runner. Everything outside this folder checks these instead of comparing modes. */
export interface RunnerCapabilities {
  /** Runs continue in another process when the daemon dies, so a new incarnation adopts them. */
  readonly outlivesDaemon: boolean;
  /** A model provider is behind the runs, so its refusals say something about logins and circuits. */
  readonly hasProvider: boolean;
  /** OpenClaw itself limits the number of its runs at once: more of them wait inside it. */
  readonly limitsRuns: boolean;
  /** Each run starts `openclaw.exec.bin`, so that must be on the PATH of the daemon. */
  readonly startsProgram: boolean;
  /** Minimum interval between calls of {@link Runner.health}, ms. */
  readonly healthEveryMs: number;
  /** What an operator does on the Mac while OpenClaw is not healthy. */
  readonly remedy: string;
}

/** Runs tasks through OpenClaw. */
export interface Runner {
  readonly mode: OpenClawMode;
  readonly capabilities: RunnerCapabilities;
  /** Sends messages through the channels of this OpenClaw; missing if it has none. */
  readonly messenger?: Messenger;
  /**
   * Runs the task to its end and returns its outcome; never throws. When `signal` aborts, the run is stopped for
   * certain (gateway abort, processes ended) before the promise settles. After that, only an earlier success counts.
   */
  run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult>;
  /**
   * Called once a new incarnation of the node has adopted its previous runs, named `takenUp`. Stops all other runs that
   * earlier incarnations left in OpenClaw. The runner is not healthy until that is done. The promise does not wait for
   * it: it resolves when the node may claim.
   */
  stopLeftovers(takenUp: readonly string[]): Promise<void>;
  /** Checks OpenClaw; may take seconds. */
  health(): Promise<RunnerHealth>;
  /**
   * Why OpenClaw has no login for its default model; null if it has one, undefined if unknown. Takes seconds, costs no
   * tokens, never throws.
   */
  loginTrouble?(): Promise<string | null | undefined>;
  close(): Promise<void>;
}

/** The part of the config that runners read. */
export type OpenClawConfig = Pick<Config, 'openclaw'>;

export interface RunnerOptions {
  readonly config: OpenClawConfig;
  readonly nodeId: string;
  /** The environment of the runs, without clawmesh's own secrets. */
  readonly env: NodeJS.ProcessEnv;
  /** Folder for records of runs that outlive the daemon; undefined for a runner that gets no tasks. */
  readonly submissions: string | undefined;
  readonly clock: Clock;
}

/** One way to run tasks. Each has its own file, which exports its kind, and a line in all.ts. */
export interface RunnerKind {
  readonly mode: OpenClawMode;
  readonly capabilities: RunnerCapabilities;
  /** Whether this machine meets the kind's requirements, for auto mode. Never rejects. */
  detect(options: Pick<RunnerOptions, 'config' | 'env' | 'clock'>): Promise<boolean>;
  create(options: RunnerOptions): Runner;
  /** Whether this node may have left runs that outlived its daemon. Only for kinds whose runs can outlive it. */
  hasLeftRuns?(options: RunnerOptions): boolean;
}

/** The longest deadline that OpenClaw accepts unchanged, s (its own timers end at 2,147,000,000 ms). */
const MAX_OPENCLAW_TIMEOUT_S = 2_147_000;

/** The deadline for OpenClaw, in whole seconds, `graceS` after ours. */
export function openclawTimeoutS(timeoutMs: number, graceS = 0): number {
  return Math.min(Math.max(1, Math.ceil(timeoutMs / 1_000)) + graceS, MAX_OPENCLAW_TIMEOUT_S);
}

/** Name of a run: different for each run of the task, and the same for every submission of that run. */
export function runKey(run: Pick<Claim, 'taskId' | 'attempt' | 'handovers' | 'holds'>): string {
  const { taskId, attempt, handovers, holds } = run;
  const again = `${handovers > 0 ? `-h${handovers}` : ''}${holds > 0 ? `-w${holds}` : ''}`;
  return `clawmesh-${taskId.replaceAll(':', '-')}-${attempt}${again}`;
}
