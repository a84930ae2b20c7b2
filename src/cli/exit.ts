import { ClawmeshError, type ErrorCode, messageOf } from '../domain/errors.ts';
import { printable } from './output.ts';

/** Exit codes are part of the contract. */
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

/** Prints what went wrong and what to do, and tells the exit code. */
export function reportError(error: unknown, verbose: boolean): number {
  const known = error instanceof ClawmeshError;
  const remedy = known && error.remedy ? ` (${error.remedy})` : '';
  // What was typed, or is in Redis, may be part of it.
  process.stderr.write(printable(`clawmesh: ${known ? error.message : messageOf(error)}${remedy}\n`));
  if (verbose && error instanceof Error) process.stderr.write(printable(`${stackOf(error)}\n`));
  return known ? EXIT[error.code] : 1;
}

/** Where it was thrown, and what it was thrown for. */
function stackOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.stack}\ncaused by ${stackOf(cause)}` : `${error.stack}`;
}
