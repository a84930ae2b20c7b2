import { ClawmeshError, type ErrorCode, messageOf } from '../domain/errors.ts';
import { printable } from '../domain/terminal-text.ts';
import type { JsonError } from './json-output.ts';
import { jsonText } from './output.ts';

/** The meaning of each exit code. */
export const EXIT_CODES = {
  0: 'done',
  1: 'the operation failed, or an awaited task did not complete',
  2: 'usage or config is invalid; nothing was changed',
  3: "Redis can't be reached or used",
  4: 'no such task, node or pool',
  5: 'timed out',
  130: 'interrupted',
} as const;

/** Exit codes are part of the public contract. */
export const EXIT: Readonly<Record<ErrorCode, keyof typeof EXIT_CODES>> = {
  failed: 1,
  fenced: 1,
  'claim-lost': 1,
  usage: 2,
  config: 2,
  redis: 3,
  'not-found': 4,
  timeout: 5,
  interrupted: 130,
};

/** The exit codes as a part of a command's help. */
export function exitCodesHelp(): string {
  const lines = Object.entries(EXIT_CODES).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`);
  return `\nExit codes:\n${lines.join('\n')}`;
}

/** Prints the problem and its remedy on stderr: as a line for people, or as a line of JSON. @returns the exit code. */
export function reportError(error: unknown, verbose: boolean, json = false): number {
  const known = error instanceof ClawmeshError ? error : undefined;
  const exitCode = known ? EXIT[known.code] : 1;
  const stack = verbose && error instanceof Error ? stackOf(error) : undefined;
  if (json) {
    const { code = 'failed', remedy = null } = known ?? {};
    const problem = known?.message ?? messageOf(error);
    const report: JsonError = { error: { code, problem, remedy, exitCode, ...(stack !== undefined && { stack }) } };
    process.stderr.write(`${jsonText(report)}\n`);
    return exitCode;
  }
  const remedy = known?.remedy ? ` (${known.remedy})` : '';
  // It may contain text that the user typed or that comes from Redis.
  process.stderr.write(printable(`clawmesh: ${known ? known.message : messageOf(error)}${remedy}\n`));
  if (stack !== undefined) process.stderr.write(printable(`${stack}\n`));
  return exitCode;
}

/** The stack of an error and of its causes. */
function stackOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.stack}\ncaused by ${stackOf(cause)}` : `${error.stack}`;
}
