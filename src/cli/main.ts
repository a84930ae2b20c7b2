#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { packageVersion } from './version.ts';

// Compiled code is kept between runs; the CLI starts in half the time.
enableCompileCache?.();

// The commonest question needs no command parser.
const [only, ...more] = process.argv.slice(2);
if ((only === '--version' || only === '-V') && more.length === 0) {
  process.stdout.write(`${packageVersion()}\n`);
} else {
  const { runCli } = await import('./program.ts');
  process.exitCode = await runCli(process.argv.slice(2));
}
