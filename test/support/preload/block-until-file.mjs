// Loaded into a node with --import: SIGUSR2 blocks its event loop, as a runaway computation would, until the file named by
// BLOCKED_UNTIL is there.
import { existsSync, writeSync } from 'node:fs';

process.on('SIGUSR2', () => {
  writeSync(2, 'the event loop is blocked\n');
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(process.env.BLOCKED_UNTIL)) Atomics.wait(never, 0, 0, 50);
});
