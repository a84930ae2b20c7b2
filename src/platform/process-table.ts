import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { statFields, trySignal } from './process.ts';

/** Environment variable that every process of an exec run carries, unless it takes it out itself. */
export const RUN_MARK = 'CLAWMESH_RUN';

/** `ps` on a Mac full of processes prints some megabytes, bytes. */
const MAX_PS_OUTPUT = 64 * 1024 * 1024;
const PS_TIMEOUT_MS = 10_000;
/** Processes that are looked at in one go, some 2 ms. */
const READ_AT_ONCE = 50;
/** Wait before it's seen again whether processes have ended: doubles from the first to the second, ms. */
const POLL_MS = { first: 25, max: 400 };
/** The kernel ends what was killed at once, unless it hangs in a device or is not ours to kill, ms. */
const KILLED_WITHIN_MS = 1_000;

const execFileAsync = promisify(execFile);

/** A process that runs on this machine; those that have ended and wait for their parent are left out. */
export interface RunningProcess {
  readonly pid: number;
  /** Id of its process group. */
  readonly group: number;
  /** Value of {@link RUN_MARK} in its environment; undefined where there is none, or the system does not show it. */
  readonly mark: string | undefined;
}

/** The listing under way, and the one that begins after it. */
let current: Promise<unknown> = Promise.resolve();
let next: Promise<RunningProcess[]> | undefined;

/**
 * All processes. Linux shows the environment of our own; macOS as well, but not that of its own programs (under System
 * Integrity Protection), such as `/bin/sleep`.
 *
 * There is one listing at a time, which begins after the call and is shared by all who ask meanwhile: fifty runs that end
 * together cost little more than one.
 */
export function runningProcesses(): Promise<RunningProcess[]> {
  next ??= current.then(() => {
    next = undefined;
    const listing = process.platform === 'linux' ? linuxProcesses() : psProcesses();
    current = listing.catch(() => {});
    return listing;
  });
  return next;
}

async function psProcesses(): Promise<RunningProcess[]> {
  const { stdout } = await execFileAsync('ps', ['-A', '-E', '-ww', '-o', 'pid=,pgid=,stat=,command='], {
    maxBuffer: MAX_PS_OUTPUT,
    timeout: PS_TIMEOUT_MS,
  });
  return parsePs(stdout);
}

/** These files are in memory: reading them at once costs a fraction of doing it in the background. */
async function linuxProcesses(): Promise<RunningProcess[]> {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
  const found: RunningProcess[] = [];
  for (const [index, pid] of pids.entries()) {
    const one = linuxProcess(pid);
    if (one) found.push(one);
    if (index % READ_AT_ONCE === READ_AT_ONCE - 1) await new Promise(setImmediate);
  }
  return found;
}

function linuxProcess(pid: number): RunningProcess | undefined {
  const [state, , group] = statFields(readProc(`/proc/${pid}/stat`));
  if (!state || state === 'Z' || state === 'X') return undefined;
  const environment = readProc(`/proc/${pid}/environ`).split('\0');
  const mark = environment.find((variable) => variable.startsWith(`${RUN_MARK}=`));
  return { pid, group: Number(group), mark: mark?.slice(RUN_MARK.length + 1) };
}

/** '' where the process has ended meanwhile, or is another user's. */
function readProc(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** Reads `ps -E -o pid=,pgid=,stat=,command=`: the environment stands behind the command, in one line. */
export function parsePs(text: string): RunningProcess[] {
  return text.split('\n').flatMap((line) => {
    const [, pid, group, state] = /^\s*(\d+)\s+(\d+)\s+(\S+)/.exec(line) ?? [];
    if (state === undefined || state.startsWith('Z')) return [];
    const at = line.lastIndexOf(` ${RUN_MARK}=`);
    const mark = at < 0 ? undefined : line.slice(at + RUN_MARK.length + 2).split(' ', 1)[0];
    return [{ pid: Number(pid), group: Number(group), mark }];
  });
}

/**
 * Ends processes: SIGTERM, and SIGKILL to those that are still there after `graceMs`. They are looked for again and again,
 * since they may start others meanwhile, and each is signalled by itself: a group refuses a signal as a whole where one of
 * its members does.
 *
 * @returns those that are left: another user's, or such as hang in the kernel.
 * @throws Error where processes can't be listed.
 */
export async function endProcesses(find: () => Promise<RunningProcess[]>, graceMs: number): Promise<RunningProcess[]> {
  for (const { signal, forMs } of [
    { signal: 'SIGTERM', forMs: graceMs },
    { signal: 'SIGKILL', forMs: KILLED_WITHIN_MS },
  ] as const) {
    const until = performance.now() + forMs;
    const told = new Set<number>();
    let wait = POLL_MS.first;
    do {
      const left = await find();
      if (left.length === 0) return left;
      for (const { pid } of left) {
        if (!told.has(pid)) trySignal(pid, signal);
        told.add(pid);
      }
      await sleep(Math.min(wait, Math.max(1, until - performance.now())));
      wait = Math.min(2 * wait, POLL_MS.max);
    } while (performance.now() < until);
  }
  return find();
}
