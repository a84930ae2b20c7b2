import type { HistoryEntry } from './task.ts';

/** An attempt that failed. */
export interface FailedAttempt {
  /** The attempt, from 1; null if the task failed without a run. */
  readonly attempt: number | null;
  /** The node that ran it; null if no node did. */
  readonly node: string | null;
  /** Why it failed. */
  readonly reason: string | null;
  /** When its node claimed the task, and when it ended (ISO 8601). */
  readonly from: string;
  readonly to: string;
}

/** The last failed attempt in the history of a task: one that was followed by another, or that ended the task. */
export function lastFailedAttempt(history: readonly HistoryEntry[]): FailedAttempt | undefined {
  const end = history.findLastIndex(({ event }) => event === 'retry' || event === 'failed');
  const ended = history[end];
  if (!ended) return undefined;
  const claimed = history.slice(0, end).findLast(({ event }) => event === 'claimed');
  const { attempt, node, reason, at } = ended;
  return { attempt, node, reason, from: claimed?.at ?? at, to: at };
}

/** Tolerated difference between the clock of a node and Redis time, ms. */
const SLACK_MS = 1_000;

/** The log lines of that attempt. Each line begins with its time (ISO 8601), by the clock of the node. */
export function linesOf({ from, to }: FailedAttempt, lines: readonly string[]): string[] {
  const [first, last] = [Date.parse(from) - SLACK_MS, Date.parse(to) + SLACK_MS];
  return lines.filter((line) => {
    const at = Date.parse(line.slice(0, line.indexOf(' ')));
    return at >= first && at <= last;
  });
}
