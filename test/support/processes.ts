import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Set in the environment of every process that a run of the tests starts, so that what outlives it can be found. */
export const RUN_MARK = 'TEST_RUN_OF_CLAWMESH';
/** The same for one test file. */
export const FILE_MARK = 'TEST_FILE_OF_CLAWMESH';
/** Vitest's own, which inherit the marks. */
const VITEST = /^(node \()?vitest/;
/** Runs end with their daemon, but not in the same moment, ms. */
const END_WAIT_MS = 15_000;

const owned = new Set<ChildProcess>();

/** Starts a process that ends with the test file at the latest, whatever becomes of the test. */
export function spawnOwned(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, [...args], options);
  owned.add(child);
  child.once('exit', () => owned.delete(child));
  // A missing command: a caller that waits for the process sees it end.
  child.once('error', () => owned.delete(child));
  return child;
}

/** Ends every process of {@link spawnOwned} that still runs; frozen ones, too. */
export async function endOwned(): Promise<void> {
  await Promise.all(
    [...owned].map((child) => {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      return exited;
    }),
  );
}

process.once('exit', () => {
  for (const child of owned) child.kill('SIGKILL');
});

/** Whether the process still runs; one that has ended and only waits for its parent does not. */
export function isRunning(pid: number): boolean {
  if (pid <= 0) return false;
  const state = process.platform === 'linux' ? linuxState(pid) : psState(pid);
  return state !== '' && !state.startsWith('Z') && !state.startsWith('X');
}

function linuxState(pid: number): string {
  try {
    // The name in parentheses may itself hold spaces and parentheses.
    return /.*\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

function psState(pid: number): string {
  return spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
}

/**
 * Kills what still carries a mark after a while, and names it: nothing that a test starts may outlive it.
 *
 * @param mark an environment variable and its value
 * @param waitMs how long a process may still take to end by itself
 */
export async function endMarked(mark: { name: string; value: string }, waitMs = END_WAIT_MS): Promise<string[]> {
  const deadline = performance.now() + waitMs;
  let left = markedProcesses(`${mark.name}=${mark.value}`);
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(100);
    left = markedProcesses(`${mark.name}=${mark.value}`);
  }
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  return left.map(({ pid, command }) => `${pid} ${command}`);
}

function markedProcesses(mark: string): { pid: number; command: string }[] {
  const all = process.platform === 'linux' ? linuxMarked(`${mark}\0`) : psMarked(mark);
  return all.filter(({ pid, command }) => pid !== process.pid && !VITEST.test(command));
}

function psMarked(mark: string): { pid: number; command: string }[] {
  const { stdout } = spawnSync('ps', ['-A', '-E', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const lines = stdout.split('\n').filter((line) => line.includes(mark));
  return lines.map((line) => ({
    pid: Number.parseInt(line, 10),
    command: line.replace(/^\s*\d+\s*/, '').slice(0, 120),
  }));
}

function linuxMarked(mark: string): { pid: number; command: string }[] {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
  return pids.flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark) || !isRunning(pid)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 120);
      return [{ pid, command }];
    } catch {
      return []; // it has ended meanwhile, or is another user's
    }
  });
}
