import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import * as z from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { RUN_VARIABLES } from '../domain/run-variables.ts';
import { type Outcome, taskError } from '../domain/task.ts';
import { withoutEscapes } from '../domain/terminal-text.ts';
import { askProgram } from '../platform/ask-program.ts';
import { findProgram } from '../platform/find-program.ts';
import { processIdentity, runsStill } from '../platform/process.ts';
import { endProcesses, type RUN_MARK, type RunningProcess, runningProcesses } from '../platform/process-table.ts';
import { execOutcome } from './exec-envelope.ts';
import { execRun } from './exec-run.ts';
import {
  openclawTimeoutS,
  type RunEvent,
  type Runner,
  type RunnerHealth,
  type RunnerKind,
  type RunRequest,
  runKey,
} from './runner.ts';

const VERSION_TIMEOUT_MS = 15_000;
/** `openclaw models status` takes some 4 s of CPU, ms. */
const LOGIN_TIMEOUT_MS = 60_000;
/** Longest output of it that is read, in characters. */
const MAX_STATUS = 1_048_576;
/** Time between SIGTERM and SIGKILL for processes of a dead daemon's runs, ms. */
const LEFTOVER_GRACE_MS = 2_000;

/** The login fields of `openclaw models status --json` (2026.9.6). */
const modelsStatus = z.object({
  resolvedDefault: z.string().max(200),
  auth: z.object({ missingProvidersInUse: z.array(z.string().max(200)) }),
});

/** Requires `openclaw` on PATH. */
export const execKind: RunnerKind = {
  mode: 'exec',
  capabilities: {
    outlivesDaemon: false,
    hasProvider: true,
    limitsRuns: false,
    startsProgram: true,
    // `openclaw --version` costs 0.1 s of CPU.
    healthEveryMs: 60_000,
    remedy: 'check that openclaw --version works for the user of the daemon, and check openclaw.exec.bin',
  },
  detect: async ({ config, env }) => findProgram([config.openclaw.exec.bin], env) !== undefined,
  create: ({ config, env, clock }) => new ExecRunner({ bin: config.openclaw.exec.bin, env, clock }),
};

/** Runs each task as a separate `openclaw agent exec` process in a separate process group. */
export class ExecRunner implements Runner {
  readonly mode = execKind.mode;
  readonly capabilities = execKind.capabilities;
  readonly #bin: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #clock: Clock;
  readonly #daemon = processIdentity(process.pid) ?? `${process.pid}@`;
  /** Marks of the runs under way. */
  readonly #marks = new Set<string>();

  /** @param options `env` is the environment of runs, without clawmesh's own secrets. */
  constructor(options: { bin: string; env: NodeJS.ProcessEnv; clock: Clock }) {
    this.#bin = options.bin;
    this.#env = options.env;
    this.#clock = options.clock;
  }

  async run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<Outcome> {
    const { spec } = request;
    const unsupported = [spec.agent !== undefined && 'an agent', spec.session !== undefined && 'a session'];
    const wanted = unsupported.filter(Boolean).join(' and ');
    if (wanted) {
      return {
        ok: false,
        error: taskError('invalid', `exec mode does not support ${wanted}; use openclaw.mode: gateway`),
      };
    }
    const program = findProgram([this.#bin], this.#env);
    if (!program) {
      return {
        ok: false,
        error: taskError('crash', `${this.#bin} is not on this node's PATH; check openclaw.exec.bin`),
      };
    }
    if (signal.aborted) return { ok: false, error: taskError('cancelled', 'stopped') };
    const startedAt = this.#clock.monotonic();
    // Unique: a late leftover of one run must never count as part of the next.
    const mark = `${this.#daemon}:${request.nodeId}:${runKey(request)}:${randomUUID().slice(0, 8)}`;
    this.#marks.add(mark);
    const end = await execRun(
      {
        program,
        args: execArguments(request),
        input: spec.message,
        env: this.#runEnv(request),
        mark,
        clock: this.#clock,
      },
      signal,
      onEvent,
    ).finally(() => this.#marks.delete(mark));
    if (end.left.length > 0) {
      const pids = end.left.map(({ pid }) => pid).join(', ');
      onEvent({ type: 'log', text: `clawmesh has no permission to end processes that this run started: ${pids}` });
    }
    if (end.failure !== undefined) {
      return { ok: false, error: taskError('crash', `could not start ${program}: ${end.failure}`) };
    }
    const durationMs = Math.round(this.#clock.monotonic() - startedAt);
    const outcome = execOutcome({ ...end, durationMs }, this.#clock.now());
    // A complete answer has been paid for, even if the run was stopped in the meantime.
    return signal.aborted && !outcome.ok ? { ok: false, error: taskError('cancelled', 'stopped') } : outcome;
  }

  /**
   * Before this daemon claims any task, ends processes of earlier runs whose daemon was killed together with their
   * watch. It can't find a process that removed the mark from its environment. On a Mac it also misses a program of the
   * system itself outside the run's group.
   */
  async stopLeftovers(): Promise<void> {
    const find = async () => (await runningProcesses()).filter((one) => this.#isLeftover(one));
    await endProcesses(find, LEFTOVER_GRACE_MS).catch(() => {});
  }

  async health(): Promise<RunnerHealth> {
    const program = findProgram([this.#bin], this.#env);
    if (!program) return { version: null, healthy: false, reason: `${this.#bin} is not on PATH` };
    const version = parseVersion(
      await askProgram(program, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS, env: this.#env }),
    );
    return version
      ? { version, healthy: true, reason: null }
      : { version: null, healthy: false, reason: `${program} --version printed no version` };
  }

  async loginTrouble(): Promise<string | null | undefined> {
    const program = findProgram([this.#bin], this.#env);
    if (!program) return undefined;
    const result = await execa(program, ['models', 'status', '--check', '--json'], {
      reject: false,
      timeout: LOGIN_TIMEOUT_MS,
      maxBuffer: MAX_STATUS,
      stdin: 'ignore',
      stderr: 'ignore',
      extendEnv: false,
      env: this.#env,
    });
    const parsed = modelsStatus.safeParse(parseJson(result.stdout));
    if (!parsed.success) return undefined;
    const { resolvedDefault, auth } = parsed.data;
    const [missing] = auth.missingProvidersInUse;
    return missing === undefined ? null : `OpenClaw has no login for ${missing}, which ${resolvedDefault} requires`;
  }

  async close(): Promise<void> {}

  #isLeftover({ pid, mark }: RunningProcess): boolean {
    if (mark === undefined || pid === process.pid || this.#marks.has(mark)) return false;
    const daemon = mark.slice(0, Math.max(0, mark.indexOf(':')));
    return daemon === this.#daemon || (/^\d+@/.test(daemon) && !runsStill(daemon));
  }

  #runEnv(request: RunRequest): NodeJS.ProcessEnv {
    const own: Readonly<Record<Exclude<keyof typeof RUN_VARIABLES, typeof RUN_MARK>, string>> = {
      CLAWMESH_TASK_ID: request.taskId,
      CLAWMESH_ATTEMPT: String(request.attempt),
      CLAWMESH_HANDOVERS: String(request.handovers),
      CLAWMESH_NODE_ID: request.nodeId,
    };
    return { ...this.#env, ...own };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const VERSION = String.raw`v?(\d{1,9}\.\d{1,9}\.\d{1,9}(?:[-+][\w.+-]{1,64})?)`;
/** OpenClaw's own line, without other text: `OpenClaw 2026.9.6 (eb377ac)`, or only the number. */
const VERSION_LINE = new RegExp(`^(?:OpenClaw )?${VERSION}(?: \\([\\w.-]{1,64}\\))?$`, 'i');

/** The version in the output of `openclaw --version`; other lines (warnings, update notices) contain numbers too. */
export function parseVersion(text: string): string | undefined {
  const lines = withoutEscapes(text).split('\n');
  return lines.map((line) => VERSION_LINE.exec(line.trim())?.[1]).find((version) => version !== undefined);
}

function execArguments({ spec, timeoutMs }: RunRequest): string[] {
  return [
    'agent',
    'exec',
    '--json',
    '--message-file',
    '-',
    ...(spec.model === undefined ? [] : ['--model', spec.model]),
    ...(spec.thinking === undefined ? [] : ['--thinking', spec.thinking]),
    '--timeout',
    String(openclawTimeoutS(timeoutMs)),
  ];
}
