import { expect, it } from 'vitest';
import { TASK_ID } from '../../src/domain/ids.ts';
import { type JournalEntry, nameOf, readEntry } from '../../src/node/journal-entry.ts';

const run = { taskId: 't1', attempt: 2, handovers: 1, holds: 0 };
const result = { text: 'done', usage: null, model: null, runId: 'r', durationMs: 3 };
const success: JournalEntry = { ...run, pool: 'p', endedAt: '2026-01-01T00:00:00.000Z', outcome: { ok: true, result } };
const failure: JournalEntry = {
  ...success,
  outcome: { ok: false, error: { kind: 'timeout', message: 'too late', retryable: true } },
};

it.each([
  ['a success', success],
  ['a failure', failure],
])('reads back %s as it was written', (_, entry) => {
  expect(readEntry(JSON.stringify(entry))).toEqual(entry);
});

it.each([
  { input: -1, output: 0, total: 0 },
  { input: 1.5, output: 0, total: 0 },
  { input: 0, output: 0, total: 1e300 },
  { input: 0, output: 0, total: 0, cost: -1 },
  'much',
])('keeps an answer without its usage if that is %j', (usage) => {
  const entry = { ...success, outcome: { ok: true, result: { ...result, usage } } };
  expect(readEntry(JSON.stringify(entry))).toEqual(success);
});

it.each([
  ['no JSON', '{"taskId":'],
  ['no object', 'null'],
  ['without the count of its holds', JSON.stringify({ ...success, holds: undefined })],
  ['of an error that this version does not know', JSON.stringify(failure).replace('"timeout"', '"weather"')],
  ['with the result of a success in a failure', JSON.stringify({ ...success, outcome: { ok: false, result } })],
])('reads nothing from a text that is %s', (_, text) => {
  expect(readEntry(text)).toBeUndefined();
});

it('names an entry by the task and each count that tells one of its runs from another', () => {
  expect(nameOf(run)).toBe('t1-2-1-0.json');
  const others = [{ taskId: 't2' }, { attempt: 3 }, { handovers: 2 }, { holds: 1 }];
  expect(new Set([run, ...others.map((other) => ({ ...run, ...other }))].map(nameOf)).size).toBe(5);
});

it.each([
  ['01k00000000000000000000000', '01k00000000000000000000000-2-1-0.json'],
  ['repeat:nightly_x:1700000000000', 'repeat-nightly_x-1700000000000-2-1-0.json'],
])('names an entry of a clawmesh task %s readably, without colons', (taskId, name) => {
  expect(taskId).toMatch(TASK_ID);
  expect(nameOf({ ...run, taskId })).toBe(name);
});

// Other programs that queue with BullMQ choose the ids of their tasks.
it.each(['a/b', '../../b', '/etc/b', 'a\0b', 'a\\b', 'x'.repeat(1_000), 'ü'.repeat(200), ''])(
  'names a file in the journal’s own folder that every file system takes, for the task id %j',
  (taskId) => {
    const name = nameOf({ ...run, taskId });
    expect(name).toMatch(/^[a-z0-9][a-z0-9-]{0,199}\.json$/);
    expect(nameOf({ ...run, taskId: `${taskId}.` })).not.toBe(name);
  },
);

it('gives task ids that differ only in case separate entries, since a Mac’s disk ignores case', () => {
  const names = ['job', 'JOB', 'Job'].map((taskId) => nameOf({ ...run, taskId }).toLowerCase());
  expect(new Set(names).size).toBe(3);
});
