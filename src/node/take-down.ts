import { spawn } from 'node:child_process';
import type { Logger } from '../log/logger.ts';

/**
 * Takes this very process down for a drill, as really as it gets: SIGKILL, or SIGSTOP with somebody beside it who lets it
 * go on after `freezeMs`.
 */
export function takeDown(how: 'drill-crash' | 'drill-freeze', freezeMs: number, log: Logger): void {
  log.warn({ drill: how }, 'drill: this daemon takes itself down');
  if (how === 'drill-freeze') {
    const seconds = String(Math.ceil(freezeMs / 1000));
    const waker = ['-c', 'sleep "$1"; kill -s CONT "$2"', 'clawmesh-drill', seconds, String(process.pid)];
    spawn('/bin/sh', waker, { detached: true, stdio: 'ignore' }).unref();
  }
  process.kill(process.pid, how === 'drill-crash' ? 'SIGKILL' : 'SIGSTOP');
}
