/** Worst first. A notice is a problem that an operator has caused on purpose. */
export const SEVERITIES = ['error', 'warning', 'notice'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something that an operator should fix, or know about. */
export interface Finding {
  readonly severity: Severity;
  /** What is wrong. */
  readonly problem: string;
  /** What to do about it. */
  readonly remedy: string;
}
