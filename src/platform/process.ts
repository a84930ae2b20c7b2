import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Whether a process with this id exists, including one that this user may not signal. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Sends a signal to a process, or to a whole group if `pid` is negative. @returns whether it was sent. Best effort, and
 * never throws: the process may be gone, or belong to another user. On macOS one such member refuses the signal for its
 * whole group.
 */
export function trySignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Identifies a process permanently by its id and start time, without spaces or colons. The system reuses ids, so an id
 * in a file or environment may belong to an unrelated process. Undefined if no such process runs.
 */
export function processIdentity(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const startedAt = process.platform === 'linux' ? linuxStart(pid) : psStart(pid);
  return startedAt && `${pid}@${startedAt}`;
}

/** Whether the process with this identity still runs. */
export function runsStill(identity: string): boolean {
  return processIdentity(Number.parseInt(identity, 10)) === identity;
}

/** The fields of `/proc/<pid>/stat` after the name, which may itself contain spaces and parentheses. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Start time in clock ticks since the machine booted; undefined for a zombie or a missing process. */
function linuxStart(pid: number): string | undefined {
  try {
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function psStart(pid: number): string | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const [state, ...started] = (stdout ?? '').trim().split(/\s+/);
  return !state || state.startsWith('Z') ? undefined : started.join('_').replaceAll(':', '.');
}
