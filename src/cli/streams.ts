/** What to do when nobody reads stdout any more (`| head`, a `tee` that Ctrl-C ended first). */
let endsUnread = false;

/** For a command that only shows what happens from now on, and so has no end of its own: it ends with its reader. */
export function endWithReader(): void {
  endsUnread = true;
}

/**
 * Lets no stream that can't be written end the process: what a command does goes on to its end, and so does its clean-up. A
 * result that is lost, since a disk is full say, fails the command; what is said beside the result never does.
 */
export function guardStreams(): void {
  process.stderr.on('error', () => {});
  let failed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') {
      if (endsUnread) process.exit(0);
      return;
    }
    if (failed) return;
    failed = true;
    process.stderr.write(`clawmesh: what it prints can't be written: ${error.message}\n`);
    // Whatever it sets by its end.
    process.once('exit', () => {
      process.exitCode ||= 1;
    });
  });
}

/** Resolves once all that has been printed is with its reader, or lost. */
export async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  );
}
