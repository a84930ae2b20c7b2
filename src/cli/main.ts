#!/usr/bin/env node
import module from 'node:module';
import { flushed, guardStreams } from './streams.ts';
import { packageVersion } from './version.ts';

/** As in package.json `engines`; an older Node.js would fail with an unhelpful syntax error. */
const NEEDED = [24, 16] as const;

guardStreams();

// Caches compiled code between runs, which halves the CLI's start time.
module.enableCompileCache?.();

// The most common request needs no command parser.
const [only, ...more] = process.argv.slice(2);
const asksForVersion = (only === '--version' || only === '-V') && more.length === 0;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `clawmesh: Node.js ${process.version} is too old (put Node.js ${NEEDED.join('.')} or later first on PATH)\n`,
  );
  process.exitCode = 2;
} else if (asksForVersion) {
  process.stdout.write(`${packageVersion()}\n`);
} else if (!hasWorkingFolder()) {
  process.stderr.write('clawmesh: the working folder no longer exists (cd to another folder)\n');
  process.exitCode = 2;
} else {
  const { crashed, runCli } = await import('./program.ts');
  process.once('uncaughtException', crashed);
  process.exitCode = await runCli(process.argv.slice(2));
  // An open handle must not keep the process alive: it might be mistaken for a running service.
  await flushed();
  process.exit();
}

/** Without a working folder, relative paths have no meaning, and much of Node.js throws at once. */
function hasWorkingFolder(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    return false;
  }
}
