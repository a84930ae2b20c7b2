import { setImmediate } from 'node:timers/promises';

/** Whether the process ends when stdout has lost its reader (`| head`, a `tee` that Ctrl-C ended first). */
let endsUnread = false;
/** Whether stdout has lost its reader. */
let isUnread = false;

/** For a command that only shows new events and has no end of its own: it ends with its reader. */
export function endWithReader(): void {
  endsUnread = true;
}

/**
 * Prevents a broken output stream from ending the process: the command runs to its end, and so does its clean-up. If a
 * result is lost, for example on a full disk, the command fails; lost remarks never make it fail.
 */
export function guardStreams(): void {
  process.stderr.on('error', () => {});
  let failed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') {
      if (endsUnread) process.exit(0);
      isUnread = true;
      return;
    }
    if (failed) return;
    failed = true;
    process.stderr.write(`clawmesh: can't write to stdout: ${error.message}\n`);
    // Set at exit, since the command may set its own code before that.
    process.once('exit', () => {
      process.exitCode ||= 1;
    });
  });
}

/** Whether stdout had lost its reader when the last output was written. */
export async function outputIsUnread(): Promise<boolean> {
  // A failed write to a pipe is reported by then.
  await setImmediate();
  return isUnread;
}

/** Resolves once all output has reached its reader, or is lost. */
export async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  );
}
