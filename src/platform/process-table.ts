import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RUN_VARIABLES } from '../domain/run-variables.ts';
import { statFields, trySignal } from './process.ts';

/** Environment variable that every process of an exec run carries, unless the process removes it. */
export const RUN_MARK = 'CLAWMESH_RUN' satisfies keyof typeof RUN_VARIABLES;

/** `ps` on a Mac full of processes prints some megabytes, bytes. */
const MAX_PS_OUTPUT = 64 * 1024 * 1024;
const PS_TIMEOUT_MS = 10_000;
/** Number of processes read per turn of the event loop, which takes some 2 ms. */
const READ_AT_ONCE = 50;
/** Wait before the next check for ended processes: doubles from the first to the second, ms. */
const POLL_MS = { first: 25, max: 400 };
/** The kernel ends a killed process at once, unless it hangs in a device or belongs to another user, ms. */
const KILLED_WITHIN_MS = 1_000;

const execFileAsync = promisify(execFile);

/** A running process of this machine; excludes zombies. */
export interface RunningProcess {
  readonly pid: number;
  /** Id of its process group. */
  readonly group: number;
  /** Value of {@link RUN_MARK} in its environment; undefined if it has none, or the system does not show it. */
  readonly mark: string | undefined;
}

/** The listing under way, and the one that begins after it. */
let current: Promise<unknown> = Promise.resolve();
let next: Promise<RunningProcess[]> | undefined;

/**
 * All processes. Linux shows the environment of our own ones. macOS does as well, except for its own programs under
 * System Integrity Protection, such as `/bin/sleep`.
 *
 * Only one listing runs at a time. It begins after the call, and all callers before its start share it: fifty runs that
 * end together cost little more than one.
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

/** These files are in memory: a synchronous read costs a fraction of an asynchronous one. */
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

/** '' if the process has ended, or belongs to another user. */
function readProc(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** Parses `ps -E -o pid=,pgid=,stat=,command=`: the environment follows the command, on the same line. */
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
 * Ends processes with SIGTERM, and with SIGKILL those that are left after `graceMs`. Searches repeatedly, since they
 * may start others, and signals each one separately: a group refuses a signal as a whole if one of its members does.
 *
 * @returns the processes that are left: another user's, or ones that hang in the kernel.
 * @throws Error if processes can't be listed.
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
