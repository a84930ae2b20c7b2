import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { statFields, trySignal } from './process.ts';

/** Environment variable that every process of an exec run carries, unless it takes it out itself. */
export const RUN_MARK = 'CLAWMESH_RUN';

/** `ps` on a Mac full of processes prints some megabytes, bytes. */
const MAX_PS_OUTPUT = 64 * 1024 * 1024;
const PS_TIMEOUT_MS = 10_000;
/** How often it's seen whether processes have ended, ms. */
const POLL_MS = 50;
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

/**
 * All processes. Linux shows the environment of our own; macOS as well, but not that of its own programs (under System
 * Integrity Protection), such as `/bin/sleep`.
 */
export async function runningProcesses(): Promise<RunningProcess[]> {
  if (process.platform === 'linux') return linuxProcesses();
  const { stdout } = await execFileAsync('ps', ['-A', '-E', '-ww', '-o', 'pid=,pgid=,stat=,command='], {
    maxBuffer: MAX_PS_OUTPUT,
    timeout: PS_TIMEOUT_MS,
  });
  return parsePs(stdout);
}

async function linuxProcesses(): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(pids.map(linuxProcess));
  return found.filter((one) => one !== undefined);
}

async function linuxProcess(pid: number): Promise<RunningProcess | undefined> {
  // It may end at any moment, or be another user's.
  const [stat, environment] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined),
    readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''),
  ]);
  const [state, , group] = stat === undefined ? [] : statFields(stat);
  if (state === undefined || state === 'Z' || state === 'X') return undefined;
  const mark = environment.split('\0').find((variable) => variable.startsWith(`${RUN_MARK}=`));
  return { pid, group: Number(group), mark: mark?.slice(RUN_MARK.length + 1) };
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
    do {
      const left = await find();
      if (left.length === 0) return left;
      for (const { pid } of left) {
        if (!told.has(pid)) trySignal(pid, signal);
        told.add(pid);
      }
      await sleep(POLL_MS);
    } while (performance.now() < until);
  }
  return find();
}
