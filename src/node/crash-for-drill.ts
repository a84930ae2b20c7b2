import { spawn } from 'node:child_process';
import type { Logger } from '../log/logger.ts';

/**
 * Crashes (SIGKILL) or freezes (SIGSTOP) this very process for a drill; a child process resumes a frozen one after
 * `freezeMs`.
 */
export function crashForDrill(how: 'drill-crash' | 'drill-freeze', freezeMs: number, log: Logger): void {
  log.warn({ drill: how }, 'drill: this daemon crashes or freezes itself');
  if (how === 'drill-freeze') {
    const seconds = String(Math.ceil(freezeMs / 1000));
    const waker = ['-c', 'sleep "$1"; kill -s CONT "$2"', 'clawmesh-drill', seconds, String(process.pid)];
    spawn('/bin/sh', waker, { detached: true, stdio: 'ignore' }).unref();
  }
  process.kill(process.pid, how === 'drill-crash' ? 'SIGKILL' : 'SIGSTOP');
}
