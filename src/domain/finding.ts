/** Worst first. A notice is a problem that an operator has caused on purpose. */
export const SEVERITIES = ['error', 'warning', 'notice'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A command that is part of the remedy of a finding, so that a program can offer it. */
export interface FindingAction {
  /** The command, without `clawmesh`. */
  readonly command:
    | 'circuit close'
    | 'node evict'
    | 'node forget'
    | 'node resume'
    | 'pool resume'
    | 'schedule remove'
    | 'task ack'
    | 'task retry';
  /** The node, circuit, schedule or pool. A `task` command means all failed tasks of this pool. */
  readonly subject: string;
}

/** Something that an operator should fix, or know about. */
export interface Finding {
  readonly severity: Severity;
  /** What is wrong. */
  readonly problem: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Commands that apply the remedy, if there are any. */
  readonly actions?: readonly FindingAction[];
}

/** The findings by severity, the worst first; otherwise in their order. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
