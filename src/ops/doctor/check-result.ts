import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import type { Finding } from '../../domain/finding.ts';

/** The result of one check of the doctor, as `doctor --json` prints it. */
export interface CheckResult {
  /** Name of the check. */
  readonly check: string;
  /** `failed` makes the exit code 1. */
  readonly state: 'ok' | 'warning' | 'failed';
  /** The observation behind the state: the problem, if there is one. */
  readonly evidence: string;
  /** The remedy; null if all is well. */
  readonly fix: string | null;
  /** Applies the remedy, if that is safe. @returns what was done. */
  readonly repair?: (() => Promise<string>) | undefined;
}

export function ok(check: string, evidence: string): CheckResult {
  return { check, state: 'ok', evidence, fix: null };
}

export function warning(check: string, problem: string, remedy: string): CheckResult {
  return found(check, { severity: 'warning', problem, remedy });
}

export function failed(check: string, problem: string, remedy: string): CheckResult {
  return found(check, { severity: 'error', problem, remedy });
}

/** A notice is not a fault, so its check is ok. */
export function found(check: string, { severity, problem, remedy }: Finding): CheckResult {
  if (severity === 'notice') return ok(check, problem);
  return { check, state: severity === 'error' ? 'failed' : 'warning', evidence: problem, fix: remedy };
}

/** The result of a check that an error prevented. */
export function fromError(check: string, error: unknown): CheckResult {
  const fix = error instanceof ClawmeshError ? error.remedy : undefined;
  return failed(check, messageOf(error), fix ?? 'see the error message');
}
