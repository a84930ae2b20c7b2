import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import { withoutEscapes } from '../domain/terminal-text.ts';
import { trySignal } from '../platform/process.ts';
import { endProcesses, RUN_MARK, type RunningProcess, runningProcesses } from '../platform/process-table.ts';
import { BoundedLines } from './bounded-lines.ts';
import { ExecStdout } from './exec-envelope.ts';
import type { RunEvent } from './runner.ts';

/** Time between SIGTERM and SIGKILL for a run that is stopped, ms. */
const STOPPED_GRACE_MS = 5_000;
/** The same for processes that are left at a run's end, ms. */
const LEFTOVER_GRACE_MS = 2_000;
/** Time between the death of a process and Node's exit event, ms. */
const EXIT_MS = 2_000;
/** Silence after which a process that has printed its envelope is ended, ms; it has no more work. */
const ANSWERED_SILENCE_MS = 2_000;
/** The same limit for one that keeps printing, counted from the envelope, ms. */
const ANSWERED_MS = 15_000;
/**
 * Time to drain output after the end, ms. Earlier output has long arrived; only a process that can't be found or ended
 * still holds the pipe.
 */
const DRAIN_MS = 1_000;
/** Longest line of stderr, bytes: more than a log line keeps in any alphabet. */
const MAX_LINE_BYTES = 16 * 1024;

/**
 * Runs the program as leader of its process group, next to a watch that ends the run once the daemon is gone. It ends
 * the group, and processes that left the group (`setsid`) but carry the run's mark. Without the watch, a run would
 * survive a `kill -9` of its daemon and continue next to its successor on another node. All processes are dead before
 * the crash grace (1 s) is over.
 *
 * The watch reads a pipe that only the daemon holds. A line on it means that the run has ended in order; its closing
 * means that the daemon is gone. No values are interpolated except the name of the mark; program and arguments are
 * passed as `$@`.
 */
const WATCHED_RUN = `
marked() {
  if [ -e /proc/self/environ ]; then
    grep -lzxF "${RUN_MARK}=$${RUN_MARK}" /proc/[0-9]*/environ | sed 's/[^0-9]//g'
  else
    ps -A -E -ww -o pid=,command= | grep -F " ${RUN_MARK}=$${RUN_MARK}" | sed 's/^ *\\([0-9]*\\).*/\\1/'
  fi
}
signal_run() {
  for pid in $(marked); do [ "$pid" = "$self" ] || kill -s "$1" "$pid"; done
  kill -s "$1" -- -$$
}
(
  trap '' TERM INT HUP
  read -r _ <&3 && exit
  self=$(exec sh -c 'echo "$PPID"')
  kill -s TERM -- -$$
  signal_run TERM
  sleep 0.3
  signal_run KILL
) </dev/null >/dev/null 2>&1 &
echo $! >&3
exec "$@" 3>&-
`;

export interface ExecRunOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly env: NodeJS.ProcessEnv;
  /** Unique among all runs ever on this machine; the run's processes carry it in their environment. */
  readonly mark: string;
  readonly clock: Clock;
}

export interface ExecRunEnd {
  readonly stdout: ExecStdout;
  /** Null if a signal ended the process, or it did not exit in time. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why the process could not be started. */
  readonly failure: string | undefined;
  /** Processes of the run that could not be ended. */
  readonly left: readonly RunningProcess[];
}

/**
 * Runs one process to its end, and ends all processes that it has started. Never rejects.
 *
 * The end is the exit of the process, its silence after a complete envelope, or `signal`. Processes that still run then
 * (a background child, the process itself) are ended before the promise resolves. Output is read as it arrives, in
 * bounded memory; any byte of it is a sign of life.
 */
export async function execRun(
  options: ExecRunOptions,
  signal: AbortSignal,
  onEvent: (event: RunEvent) => void,
): Promise<ExecRunEnd> {
  const stdout = new ExecStdout();
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', WATCHED_RUN, 'clawmesh-run', options.program, ...options.args], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...options.env, [RUN_MARK]: options.mark },
    });
  } catch (error) {
    return { stdout, exitCode: null, signal: null, failure: messageOf(error), left: [] };
  }
  const exited = new Promise<{ failure?: string }>((resolve) => {
    child.once('exit', () => resolve({}));
    child.once('error', (error) => resolve({ failure: messageOf(error) }));
  });
  // A process that ends early does not read its input.
  for (const stream of child.stdio) stream?.on('error', () => {});
  child.stdin?.end(options.input);
  const watch = new Watch(child.stdio[3] as (Readable & Writable) | null | undefined);
  const output = new Output(child, { parsed: stdout, clock: options.clock, onEvent });
  const stopped = new AbortController();
  const { failure } = await Promise.race([exited, output.answered, aborted(signal, stopped.signal)]);
  stopped.abort();
  const left = child.pid === undefined ? [] : await endRun(child, { exited, watch, ...options });
  watch.release();
  await output.end();
  return { stdout, exitCode: child.exitCode, signal: child.signalCode, failure, left };
}

function aborted(signal: AbortSignal, until: AbortSignal): Promise<{ failure?: string }> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve({});
    signal.addEventListener('abort', () => resolve({}), { once: true, signal: until });
  });
}

/**
 * Ends all processes of the run: its main process, its group, and processes with its mark. @returns those that can't be
 * ended.
 */
async function endRun(
  child: ChildProcess,
  run: { exited: Promise<unknown>; watch: Watch; mark: string; clock: Clock },
): Promise<RunningProcess[]> {
  const { exited, watch, mark, clock } = run;
  const group = child.pid as number;
  const runs = () => child.exitCode === null && child.signalCode === null;
  let graceMs = LEFTOVER_GRACE_MS;
  // The whole group first: usually it is the whole run, and the signal costs nothing. The watch ignores it.
  if (runs() && trySignal(-group, 'SIGTERM')) {
    await within(clock, STOPPED_GRACE_MS, exited);
    if (runs()) graceMs = 0;
  }
  const find = async () =>
    (await runningProcesses()).filter((one) => (one.group === group || one.mark === mark) && one.pid !== watch.pid);
  try {
    const left = await endProcesses(find, graceMs);
    // Node's exit event comes slightly later than the exit itself.
    if (left.length === 0) await within(clock, EXIT_MS, exited);
    return left;
  } catch {
    // Without a process list, only the group can be ended.
    if (!trySignal(-group, 'SIGKILL')) child.kill('SIGKILL');
    await within(clock, EXIT_MS, exited);
    return [];
  }
}

async function within(clock: Clock, ms: number, promise: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  await Promise.race([promise, clock.sleep(ms, late.signal)]);
  late.abort();
}

/** The watch process of a run. */
class Watch {
  readonly #pipe: (Readable & Writable) | null | undefined;
  #said = '';

  constructor(pipe: (Readable & Writable) | null | undefined) {
    this.#pipe = pipe;
    // Bounded: the program should not have this pipe, but its behavior is not under our control.
    pipe?.on('data', (chunk: Buffer) => {
      if (this.#said.length < 20) this.#said += chunk.toString('latin1');
    });
  }

  /** The id of the watch's process; undefined before it runs. */
  get pid(): number | undefined {
    return /^(\d+)\n/.test(this.#said) ? Number.parseInt(this.#said, 10) : undefined;
  }

  /** Tells the watch that the run has ended and none of its processes is left. */
  release(): void {
    this.#pipe?.end('end\n');
    this.#pipe?.resume();
  }
}

/** The output of a run. */
class Output {
  /** Resolves when the process has printed its envelope, and then was silent or kept printing for too long. */
  readonly answered: Promise<{ failure?: string }>;
  readonly #streams: readonly Readable[];
  readonly #closed: Promise<unknown>;
  readonly #stdout: ExecStdout;
  readonly #clock: Clock;
  readonly #lines: BoundedLines;
  readonly #resolveAnswered: () => void;
  #chunks = 0;
  #answeredAt = 0;
  #timer: Timer | undefined;

  constructor(
    { stdout, stderr }: ChildProcess,
    options: { parsed: ExecStdout; clock: Clock; onEvent: (event: RunEvent) => void },
  ) {
    const { parsed, clock, onEvent } = options;
    this.#stdout = parsed;
    this.#clock = clock;
    let logged = false;
    this.#lines = new BoundedLines(MAX_LINE_BYTES, (line) => {
      const text = withoutEscapes(line).trimEnd();
      if (text === '') return;
      logged = true;
      onEvent({ type: 'log', text });
    });
    const { promise, resolve } = Promise.withResolvers<{ failure?: string }>();
    this.answered = promise;
    this.#resolveAnswered = () => resolve({});
    stdout?.on('data', (chunk: Buffer) => {
      const before = parsed.envelopes;
      parsed.push(chunk);
      if (parsed.envelopes > before) this.#answeredAt = clock.monotonic();
      else onEvent({ type: 'alive' });
      this.#heard();
    });
    stderr?.on('data', (chunk: Buffer) => {
      logged = false;
      this.#lines.push(chunk);
      if (!logged) onEvent({ type: 'alive' });
      this.#heard();
    });
    this.#streams = [stdout, stderr].filter((stream) => stream !== null && stream !== undefined);
    this.#closed = Promise.all(
      this.#streams.map((stream) => new Promise((done) => stream.closed || stream.once('close', done))),
    );
  }

  /** Waits for output under way, and stops listening. */
  async end(): Promise<void> {
    this.#timer?.stop();
    const late = new AbortController();
    const silence = async () => {
      const until = this.#clock.monotonic() + DRAIN_MS;
      for (let before = -1; before !== this.#chunks && this.#clock.monotonic() < until && !late.signal.aborted; ) {
        before = this.#chunks;
        await this.#clock.sleep(DRAIN_MS / 5, late.signal);
        // In a round of the event loop, timers come before input.
        await new Promise(setImmediate);
      }
    };
    await Promise.race([this.#closed, silence()]);
    late.abort();
    for (const stream of this.#streams) stream.destroy();
    this.#lines.end();
    this.#stdout.end();
    this.#timer?.stop();
  }

  /** Records that output has arrived. */
  #heard(): void {
    this.#chunks++;
    if (this.#stdout.envelopes === 0) return;
    this.#timer?.stop();
    const leftMs = this.#answeredAt + ANSWERED_MS - this.#clock.monotonic();
    const heard = this.#chunks;
    this.#timer = this.#clock.timer(Math.max(0, Math.min(ANSWERED_SILENCE_MS, leftMs)), () => {
      // Input that arrived while the event loop was busy is read only after the timers.
      setImmediate(() => (heard === this.#chunks || leftMs <= 0) && this.#resolveAnswered());
    });
  }
}
