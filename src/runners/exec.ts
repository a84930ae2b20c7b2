import { execa } from 'execa';
import { type Outcome, taskError } from '../domain/task.ts';
import { findProgram } from '../platform/find-program.ts';
import { signalGroup } from '../platform/process.ts';
import { execOutcome } from './exec-envelope.ts';
import { openclawTimeoutS, type RunEvent, type Runner, type RunnerHealth, type RunRequest } from './runner.ts';

/** Time between SIGTERM and SIGKILL to the run's process group, ms. */
const KILL_AFTER_MS = 5_000;
/** Longest output that is kept, in characters; an envelope with a 1 MiB text fits several times. */
const MAX_OUTPUT = 8 * 1024 * 1024;
const VERSION_TIMEOUT_MS = 15_000;

type Child = ReturnType<typeof spawnRun>;

/** Runs each task as an `openclaw agent exec` process of its own, in a process group of its own. */
export class ExecRunner implements Runner {
  readonly mode = 'exec';
  readonly #bin: string;
  readonly #env: NodeJS.ProcessEnv;

  /** `env` is what runs inherit, clawmesh's own secrets already taken out. */
  constructor(options: { bin: string; env: NodeJS.ProcessEnv }) {
    this.#bin = options.bin;
    this.#env = options.env;
  }

  async run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<Outcome> {
    const { spec } = request;
    const unsupported = [spec.agent !== undefined && 'an agent', spec.session !== undefined && 'a session'];
    const wanted = unsupported.filter(Boolean).join(' and ');
    if (wanted) {
      return { ok: false, error: taskError('invalid', `exec mode can't choose ${wanted}; use openclaw.mode: gateway`) };
    }
    const program = findProgram([this.#bin], this.#env);
    if (!program) {
      return {
        ok: false,
        error: taskError('crash', `${this.#bin} is not on this node's PATH; check openclaw.exec.bin`),
      };
    }
    if (signal.aborted) return { ok: false, error: taskError('cancelled', 'stopped') };
    const startedAt = performance.now();
    const child = spawnRun(program, request, this.#runEnv(request));
    const stop = stopOnAbort(child, signal);
    const logged = logLines(child, onEvent);
    const result = await child;
    stop();
    await logged;
    if (signal.aborted) return { ok: false, error: taskError('cancelled', 'stopped') };
    if (result.exitCode === undefined && result.signal === undefined) {
      return { ok: false, error: taskError('crash', `${program} could not be started: ${result.shortMessage ?? ''}`) };
    }
    return execOutcome({
      stdout: result.stdout ?? '',
      exitCode: result.exitCode,
      signal: result.signal,
      durationMs: Math.round(performance.now() - startedAt),
    });
  }

  /** Nothing of ours outlives the daemon in this mode. */
  settle(): void {}

  async health(): Promise<RunnerHealth> {
    const program = findProgram([this.#bin], this.#env);
    if (!program) return { version: null, healthy: false, reason: `${this.#bin} is not on PATH` };
    const result = await execa(program, ['--version'], {
      reject: false,
      timeout: VERSION_TIMEOUT_MS,
      stdin: 'ignore',
      extendEnv: false,
      env: this.#env,
    });
    const version = parseVersion(result.stdout);
    return version
      ? { version, healthy: true, reason: null }
      : { version: null, healthy: false, reason: `${program} --version gave no version` };
  }

  async close(): Promise<void> {}

  #runEnv(request: RunRequest): NodeJS.ProcessEnv {
    return {
      ...this.#env,
      CLAWMESH_TASK_ID: request.taskId,
      CLAWMESH_ATTEMPT: String(request.attempt),
      CLAWMESH_HANDOVERS: String(request.handovers),
      CLAWMESH_NODE_ID: request.nodeId,
    };
  }
}

/** The version in `OpenClaw 2026.9.6 (eb377ac)`. */
export function parseVersion(text: string): string | undefined {
  return /\b(\d+\.\d+\.\d+(?:-[\w.]+)?)\b/.exec(text)?.[1];
}

/**
 * Runs the program as leader of its process group, beside a watch that ends the group once the daemon (`$PPID`) is gone.
 * Without it a run would outlive `kill -9` of its daemon, and go on beside its successor on another node. Half a second is
 * less than the crash grace, so it's gone before its task is put back. Nothing is put into this text; program and
 * arguments come as `$@`.
 */
const WATCHED_RUN = `
(
  trap '' TERM INT HUP
  while kill -0 $$ && kill -0 "$PPID"; do sleep 0.5; done
  if kill -0 $$; then kill -s TERM -- -$$; sleep 2; kill -s KILL -- -$$; fi
) </dev/null >/dev/null 2>&1 &
exec "$@"
`;

/** The run leads a process group of its own, so that everything it starts can be ended with it. */
function spawnRun(program: string, request: RunRequest, env: NodeJS.ProcessEnv) {
  return execa('/bin/sh', ['-c', WATCHED_RUN, 'clawmesh-run', program, ...execArguments(request)], {
    input: request.spec.message,
    detached: true,
    cleanup: false,
    reject: false,
    stripFinalNewline: false,
    buffer: { stdout: true, stderr: false },
    maxBuffer: MAX_OUTPUT,
    extendEnv: false,
    env,
  });
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

/** SIGTERM to the whole group when the signal aborts, SIGKILL if it's still there later. Returns the undoing. */
function stopOnAbort(child: Child, signal: AbortSignal): () => void {
  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    if (child.pid === undefined) return;
    const { pid } = child;
    signalGroup(pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_AFTER_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  return () => {
    signal.removeEventListener('abort', stop);
    clearTimeout(killTimer);
    // Grandchildren may outlive the process that was waited for, e.g. a shell command the agent left running.
    if (signal.aborted && child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
}

const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, 'g');

async function logLines(child: Child, onEvent: (event: RunEvent) => void): Promise<void> {
  try {
    for await (const line of child.iterable({ from: 'stderr' })) {
      const text = String(line).replace(ANSI, '').trimEnd();
      if (text) onEvent({ type: 'log', text });
    }
  } catch {
    // The stream breaks off when the process is killed; the outcome tells of that.
  }
}
