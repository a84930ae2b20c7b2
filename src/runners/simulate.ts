import type { Clock } from '../domain/clock.ts';
import { ERROR_KINDS, type ErrorKind } from '../domain/error-kind.ts';
import { type Outcome, taskError } from '../domain/task.ts';
import { parseDuration } from '../domain/units.ts';
import { type RunEvent, type Runner, type RunnerHealth, type RunnerKind, type RunRequest, runKey } from './runner.ts';

const ECHO_MS = 50;

/** Always available, so that a mesh can be tried without OpenClaw. */
export const simulateKind: RunnerKind = {
  mode: 'simulate',
  capabilities: {
    outlivesDaemon: false,
    hasProvider: false,
    limitsRuns: false,
    startsProgram: false,
    healthEveryMs: 60_000,
    remedy: 'nothing: simulated runs need no OpenClaw',
  },
  detect: async () => true,
  create: ({ clock }) => new SimulateRunner({ clock }),
};

/**
 * Runs no OpenClaw: `sleep <duration>` takes that long, `fail <kind>` fails with that kind, any other message is echoed
 * after 50 ms.
 */
export class SimulateRunner implements Runner {
  readonly mode = simulateKind.mode;
  readonly capabilities = simulateKind.capabilities;
  readonly #clock: Clock;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  async run(request: RunRequest, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<Outcome> {
    const startedAt = this.#clock.monotonic();
    const message = request.spec.message.trim();
    const failure = /^fail (\w+)$/.exec(message)?.[1];
    if (failure && isErrorKind(failure)) return { ok: false, error: taskError(failure, `simulated ${failure}`) };

    const pause = parseDuration(/^sleep (.+)$/.exec(message)?.[1] ?? '');
    onEvent({ type: 'progress', note: 'simulated run', tokens: null });
    await this.#clock.sleep(pause ?? ECHO_MS, signal);
    if (signal.aborted) return { ok: false, error: taskError('cancelled', 'stopped') };
    const durationMs = Math.round(this.#clock.monotonic() - startedAt);
    const text = request.spec.message;
    return { ok: true, result: { text, usage: null, model: 'simulate', runId: runKey(request), durationMs } };
  }

  /** No run outlives the daemon in this mode. */
  async stopLeftovers(): Promise<void> {}

  async health(): Promise<RunnerHealth> {
    return { version: null, healthy: true, reason: null };
  }

  async close(): Promise<void> {}
}

function isErrorKind(text: string): text is ErrorKind {
  return (ERROR_KINDS as readonly string[]).includes(text);
}
