/** The result of one check of the doctor. */
export interface Diagnosis {
  /** Name of the check. */
  readonly check: string;
  /** `failed` makes the exit code 1. */
  readonly state: 'ok' | 'warning' | 'failed';
  /** The observation behind the state. */
  readonly evidence: string;
  /** How to fix it; null if all is well. */
  readonly fix: string | null;
  /** Applies the fix, if that is safe. @returns what was done. */
  readonly repair?: (() => Promise<string>) | undefined;
}

export function ok(check: string, evidence: string): Diagnosis {
  return { check, state: 'ok', evidence, fix: null };
}

export function warning(check: string, evidence: string, fix: string): Diagnosis {
  return { check, state: 'warning', evidence, fix };
}

export function failed(check: string, evidence: string, fix: string): Diagnosis {
  return { check, state: 'failed', evidence, fix };
}
