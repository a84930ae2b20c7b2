/**
 * Who causes a transition: a command of an operator or program, the node that claims or runs the task, the sweep that
 * any node does for the whole mesh, or the passing of time.
 */
export const CAUSES = ['command', 'node', 'sweep', 'time'] as const;
export type Cause = (typeof CAUSES)[number];

/** A row of a transition table. */
export interface Transition<State extends string> {
  readonly from: readonly State[];
  readonly to: readonly State[];
  /** Uses the standard terms. Several causes may share an event. */
  readonly event: string;
  readonly by: Cause;
  /** One sentence: the condition, and what happens. */
  readonly when: string;
}
