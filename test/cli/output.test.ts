import { afterEach, expect, it } from 'vitest';
import { Output } from '../../src/cli/output.ts';

const real = process.stderr.isTTY;
afterEach(() => {
  process.stderr.isTTY = real;
});

it.each([
  ['shows progress on a terminal', { json: false, quiet: false }, true, true],
  ['shows no progress with --quiet', { json: false, quiet: true }, true, false],
  ['shows no progress with --json', { json: true, quiet: false }, true, false],
  ['shows no progress in a pipe', { json: false, quiet: false }, false, false],
])('%s', (_, options, terminal, shown) => {
  process.stderr.isTTY = terminal;
  expect(new Output({ ...options, color: false }).showsProgress).toBe(shown);
});
