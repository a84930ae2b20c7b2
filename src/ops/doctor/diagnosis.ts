/** What one check of the doctor has found. */
export interface Diagnosis {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed';
  /** What was seen. */
  readonly evidence: string;
  /** What to do; null where all is well. */
  readonly fix: string | null;
  /** Does it, where that can do no harm; answers what was done. */
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
