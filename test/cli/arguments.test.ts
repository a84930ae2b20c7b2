import type { Command } from 'commander';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { asksForJson } from '../../src/cli/output-options.ts';
import { createProgram, runCli } from '../../src/cli/program.ts';
import { writeConfig } from '../support/cli.ts';
import { captureOutput } from '../support/in-process-output.ts';

/** Those that stay, take the terminal, change this machine or read what is typed. */
const LEFT_OUT = /^(up|top|dashboard|mcp|node (run|install|uninstall|start|stop|restart))$/;
const JUNK = [
  '',
  ' ',
  '-',
  '--',
  '---',
  '=',
  '--x',
  '-z',
  '0',
  '-1',
  '1e999',
  'NaN',
  '٣',
  '9'.repeat(400),
  '5s',
  '5 s',
];
const NASTY = [
  '\u001b[2J',
  'a\nb',
  '\u0000',
  '\ud800',
  '../..',
  '%s',
  '{}',
  '[',
  '"',
  "'",
  '*',
  'a=b',
  'a=b=c',
  ':',
  '\u202e',
  '\u2028',
];

interface Leaf {
  readonly path: readonly string[];
  readonly flags: readonly string[];
}

function leaves(command: Command, path: readonly string[] = []): Leaf[] {
  if (command.commands.length > 0) return command.commands.flatMap((one) => leaves(one, [...path, one.name()]));
  return [
    { path, flags: command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined)) },
  ];
}

/** Whatever is typed: one line that says what is wrong, or the work; never a stack, never a hang. */
describe('arbitrary command lines', () => {
  const output = captureOutput();
  const config = writeConfig('mesh: f\nredis: {url: "redis://127.0.0.1:1"}\nopenclaw: {mode: simulate}\n');
  beforeEach(() => {
    vi.stubEnv('CLAWMESH_CONFIG', config);
  });

  const program = createProgram();
  const common = program.options.flatMap(({ long }) => (long && !/^--(config|verbose)$/.test(long) ? [long] : []));
  const known = leaves(program).filter(({ path }) => !LEFT_OUT.test(path.join(' ')));
  const word = fc.oneof(fc.constantFrom(...JUNK, ...NASTY), fc.string({ maxLength: 12, unit: 'binary' }));
  const line = fc
    .constantFrom(...known)
    .chain(({ path, flags }) =>
      fc.tuple(
        fc.constant(path),
        fc.array(
          fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...flags, ...common) }, { weight: 4, arbitrary: word }),
          {
            maxLength: 7,
          },
        ),
        fc.nat({ max: 7 }),
      ),
    )
    .map(([path, rest, at]) => [...path.slice(0, at), ...rest.slice(0, at), ...path.slice(at), ...rest.slice(at)])
    // Without standard input here, and fixes are applied for real.
    .filter((args) => !args.includes('-') && !args.includes('--fix'));

  it('exits with a documented code, and with one line if the command failed', async () => {
    expect(known.length).toBeGreaterThan(25);
    const codes = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(line, async (args) => {
        output.clear();
        process.exitCode = undefined;
        const code = await runCli(args);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        const shown = JSON.stringify({ args, code, stdout: output.stdout.slice(0, 200), stderr: output.stderr });
        expect([0, 1, 2, 3, 4, 5], shown).toContain(code);
        expect(output.stderr, shown).not.toMatch(/\n {4}at |undefined|\[object|TypeError|Cannot read/);
        expect(output.stderr, shown).not.toMatch(/[^\P{Cc}\n\t]|\u202e/u);
        // The doctor's findings are its result.
        if (code > 0 && !(args.includes('doctor') && code === 1))
          expect(output.stderr, shown).toMatch(
            asksForJson(args) ? /^\{"error":\{.+\}\}\n$|^Usage: /u : /^clawmesh: .+\n$|^Usage: /u,
          );
      }),
      { numRuns: 3_000, endOnFailure: true },
    );
    // It did not all end at the first check.
    expect(codes.get(2)).toBeGreaterThan(100);
    expect(codes.get(3)).toBeGreaterThan(20);
  });
});
