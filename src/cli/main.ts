#!/usr/bin/env node
import module from 'node:module';
import { guardStreams } from './streams.ts';
import { packageVersion } from './version.ts';

/** package.json `engines`; what an older Node.js would say of our code helps nobody. */
const NEEDED_MAJOR = 24;

guardStreams();

// Compiled code is kept between runs; the CLI starts in half the time.
module.enableCompileCache?.();

// The commonest question needs no command parser.
const [only, ...more] = process.argv.slice(2);
if (Number.parseInt(process.versions.node, 10) < NEEDED_MAJOR) {
  process.stderr.write(
    `clawmesh: this is Node.js ${process.version}, clawmesh needs ${NEEDED_MAJOR} or newer (put it first on PATH)\n`,
  );
  process.exitCode = 2;
} else if ((only === '--version' || only === '-V') && more.length === 0) {
  process.stdout.write(`${packageVersion()}\n`);
} else {
  const { runCli } = await import('./program.ts');
  process.exitCode = await runCli(process.argv.slice(2));
}
