import { type QueueState, TASK_TRANSITIONS, type TaskEvent, type TaskTransition } from '../../src/domain/task-state.ts';
import type { Cause } from '../../src/domain/transition.ts';

/** An event and who causes it. */
export type Happening = `${TaskEvent} by ${Cause}`;

export function happeningOf({ event, by }: TaskTransition): Happening {
  return `${event} by ${by}`;
}

/**
 * The rows of the transition table that lead from one state to another, if nothing else than this happens: as few as there
 * can be. None if the state stays as it is, undefined if there is no such way.
 */
export function pathOf(
  from: QueueState,
  to: QueueState,
  may: readonly Happening[],
): readonly TaskTransition[] | undefined {
  const rows = TASK_TRANSITIONS.filter((row) => may.includes(happeningOf(row)));
  const seen = new Set([from]);
  for (let paths: TaskTransition[][] = [[]]; paths.length > 0; ) {
    const there = paths.find((path) => (path.at(-1)?.to ?? from) === to);
    if (there) return there;
    const longer = paths.flatMap((path) =>
      rows.filter((row) => row.from === (path.at(-1)?.to ?? from) && !seen.has(row.to)).map((row) => [...path, row]),
    );
    for (const path of longer) seen.add((path.at(-1) as TaskTransition).to);
    paths = longer;
  }
  return undefined;
}
