import { type ChildProcess, spawn } from 'node:child_process';

/** How long the assertion outlasts its need (ms), so that not every short task starts a process. */
const LINGER_MS = 10_000;

/** Keeps an idle machine from falling asleep while it has work. */
export interface KeepAwake {
  hold(): void;
  release(): void;
}

/**
 * On a Mac, runs `caffeinate -i -w <pid>`. It only prevents idle sleep: a closed lid or an empty battery still suspends
 * the Mac. It ends with this process, even after a crash. On other systems this does nothing. Errors go to `onError`
 * and stop no work.
 */
export function keepAwake(onError: (error: Error) => void, platform: NodeJS.Platform = process.platform): KeepAwake {
  if (platform !== 'darwin') return { hold: () => {}, release: () => {} };
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    hold: () => {
      clearTimeout(timer);
      timer = undefined;
      if (child) return;
      const started = spawn('caffeinate', ['-i', '-w', String(process.pid)], { stdio: 'ignore' });
      const gone = () => {
        if (child === started) child = undefined;
      };
      started.once('exit', gone);
      started.once('error', (error) => {
        gone();
        onError(error);
      });
      started.unref();
      child = started;
    },
    release: () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        child?.kill();
        child = undefined;
      }, LINGER_MS).unref();
    },
  };
}
