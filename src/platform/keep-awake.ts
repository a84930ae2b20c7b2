import { type ChildProcess, spawn } from 'node:child_process';

/** How long the assertion outlasts its need (ms), so that a stream of short tasks does not start a process for each. */
const LINGER_MS = 10_000;

/** Keeps the machine from falling asleep by itself while something runs on it. */
export interface KeepAwake {
  hold(): void;
  release(): void;
}

/**
 * On a Mac a `caffeinate -i -w <pid>`: against idle sleep only (a closed lid or an empty battery still win), and gone
 * with the process it is for, however that ends. Elsewhere nothing. Trouble goes to `onError`; it is no reason to stop.
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
