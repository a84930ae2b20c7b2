#!/usr/bin/env node
import module from 'node:module';
import { flushed, guardStreams } from './streams.ts';
import { packageVersion } from './version.ts';

/** package.json `engines`; what an older Node.js would say of our code helps nobody. */
const NEEDED_MAJOR = 24;

guardStreams();

// Compiled code is kept between runs; the CLI starts in half the time.
module.enableCompileCache?.();

// The commonest question needs no command parser.
const [only, ...more] = process.argv.slice(2);
const asksForVersion = (only === '--version' || only === '-V') && more.length === 0;
if (Number.parseInt(process.versions.node, 10) < NEEDED_MAJOR) {
  process.stderr.write(
    `clawmesh: this is Node.js ${process.version}, clawmesh needs ${NEEDED_MAJOR} or newer (put it first on PATH)\n`,
  );
  process.exitCode = 2;
} else if (asksForVersion) {
  process.stdout.write(`${packageVersion()}\n`);
} else if (!hasWorkingFolder()) {
  process.stderr.write('clawmesh: the working folder has been deleted (cd to one that is there)\n');
  process.exitCode = 2;
} else {
  const { crashed, runCli } = await import('./program.ts');
  process.once('uncaughtException', crashed);
  process.exitCode = await runCli(process.argv.slice(2));
  // Whatever is still open must not keep a process that has nothing to do any more, and might be taken for a service.
  await flushed();
  process.exit();
}

/** Without one no path of a config or a file means anything, and half of what we use throws at once. */
function hasWorkingFolder(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    return false;
  }
}
