import { ClawmeshError, type ErrorCode, messageOf } from '../domain/errors.ts';
import { printable } from './output.ts';

/** Exit codes are part of the public contract. */
export const EXIT: Readonly<Record<ErrorCode, number>> = {
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

/** Prints the problem and its remedy. @returns the exit code. */
export function reportError(error: unknown, verbose: boolean): number {
  const known = error instanceof ClawmeshError;
  const remedy = known && error.remedy ? ` (${error.remedy})` : '';
  // It may contain text that the user typed or that comes from Redis.
  process.stderr.write(printable(`clawmesh: ${known ? error.message : messageOf(error)}${remedy}\n`));
  if (verbose && error instanceof Error) process.stderr.write(printable(`${stackOf(error)}\n`));
  return known ? EXIT[error.code] : 1;
}

/** The stack of an error and of its causes. */
function stackOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.stack}\ncaused by ${stackOf(cause)}` : `${error.stack}`;
}
