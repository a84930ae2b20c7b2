import { expect, it } from 'vitest';
import { lastFailedAttempt, linesOf } from '../../src/domain/failed-attempt.ts';
import type { HistoryEntry } from '../../src/domain/task.ts';

const at = (second: number) => new Date(second * 1_000).toISOString();
const entry = (second: number, event: HistoryEntry['event'], attempt: number | null = null): HistoryEntry => ({
  at: at(second),
  event,
  node: event === 'enqueued' ? null : 'mac-1',
  attempt,
  reason: event === 'failed' || event === 'retry' ? `attempt ${attempt} broke` : null,
});
const HISTORY = [
  entry(0, 'enqueued'),
  entry(10, 'claimed', 1),
  entry(20, 'retry', 1),
  entry(30, 'claimed', 2),
  entry(40, 'failed', 2),
];

it('finds the last failed attempt, from its claim to its end', () => {
  const failed = { attempt: 2, node: 'mac-1', reason: 'attempt 2 broke', from: at(30), to: at(40) };
  expect(lastFailedAttempt(HISTORY)).toEqual(failed);
  expect(lastFailedAttempt([...HISTORY, entry(50, 'claimed', 3), entry(60, 'completed', 3)])).toEqual(failed);
  expect(lastFailedAttempt(HISTORY.slice(0, 4))).toMatchObject({ attempt: 1, from: at(10), to: at(20) });
});

it('finds none in a task of which no attempt has failed', () => {
  expect(lastFailedAttempt(HISTORY.slice(0, 2))).toBeUndefined();
});

it('counts a failure without a run, such as that of an earlier task', () => {
  expect(lastFailedAttempt([entry(0, 'enqueued'), entry(5, 'failed')])).toMatchObject({ from: at(5), to: at(5) });
});

it('picks the log lines of that attempt, although the clock of its node differs a little', () => {
  const failed = lastFailedAttempt(HISTORY);
  const lines = [15, 29.5, 35, 40.5, 50].map((second) => `${at(second)} second ${second}`);
  expect(failed && linesOf(failed, [...lines, 'no time'])).toEqual(lines.slice(1, 4));
});
