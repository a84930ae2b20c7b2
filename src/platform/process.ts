import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Whether a process with this id is there (and is not one we may not even see). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Sends a signal to a process, or to a whole group where `pid` is negative; whether it was sent. Best effort, and no reason
 * to throw: the process may be gone, or be another user's. On macOS one such member refuses the signal for its whole group.
 */
export function trySignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Names a process for good: its id and when it started, without spaces or colons. Ids are given out again, so that an id
 * that was kept in a file or an environment may be anybody's by now. Undefined where no such process runs.
 */
export function processIdentity(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const startedAt = process.platform === 'linux' ? linuxStart(pid) : psStart(pid);
  return startedAt && `${pid}@${startedAt}`;
}

/** Whether the process of that identity still runs. */
export function runsStill(identity: string): boolean {
  return processIdentity(Number.parseInt(identity, 10)) === identity;
}

/** The fields of `/proc/<pid>/stat` behind the name, which may itself hold spaces and parentheses. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Clock ticks since the machine booted; undefined for one that has ended and only waits for its parent. */
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
