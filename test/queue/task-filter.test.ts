import { expect, it } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import { firstLook, matches, pageOf, type TaskFilter } from '../../src/queue/task-filter.ts';

const task = (fields: Partial<Task> = {}) =>
  ({
    state: 'failed',
    node: 'mac-1',
    tags: { a: '1', b: '2' },
    message: 'Review the README of Ünicode',
    error: { kind: 'auth' },
    enqueuedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-02T00:00:00.000Z',
    acknowledgedAt: null,
    ...fields,
  }) as Task;

const ENDED = Date.parse('2026-01-02T00:00:00.000Z');

it.each<[Partial<TaskFilter>, boolean]>([
  [{}, true],
  [{ state: 'failed', node: 'mac-1', tags: { a: '1', b: '2' }, unacknowledged: true }, true],
  [{ state: 'completed' }, false],
  [{ node: 'mac-2' }, false],
  [{ tags: { a: '1', b: '1' } }, false],
  [{ tags: { c: '1' } }, false],
  [{ state: ['cancelled', 'failed'] }, true],
  [{ state: ['cancelled', 'completed'] }, false],
  [{ state: [] }, false],
  [{ kind: 'auth' }, true],
  [{ kind: 'timeout' }, false],
  [{ text: 'readme ünicode' }, true],
  [{ text: 'view  READ' }, true],
  [{ text: 'readme tests' }, false],
  [{ since: ENDED }, true],
  [{ since: ENDED + 1 }, false],
  [{ until: ENDED + 1 }, true],
  [{ until: ENDED }, false],
])('matches a failed task of mac-1 with %j: %s', (filter, expected) => {
  expect(matches(task(), { limit: 1, ...filter })).toBe(expected);
});

it('calls only a failed task without an acknowledgement unacknowledged', () => {
  const filter = { unacknowledged: true, limit: 1 };
  const tasks = [{}, { acknowledgedAt: '2026-01-01T00:00:00.000Z' }, { state: 'cancelled' as const }];
  expect(tasks.map((fields) => matches(task(fields), filter))).toEqual([true, false, false]);
});

it('takes the time at which a task was enqueued if it has not ended', () => {
  const waiting = task({ state: 'waiting', finishedAt: null });
  expect(matches(waiting, { limit: 1, since: ENDED - 1 })).toBe(false);
  expect(matches(waiting, { limit: 1, until: ENDED - 1 })).toBe(true);
});

it('matches no task without an error for a kind of error', () => {
  expect(matches(task({ error: null }), { limit: 1, kind: 'auth' })).toBe(false);
});

it.each<[string, Partial<TaskFilter>, number, number, number]>([
  ['no more than is wanted', { limit: 3 }, 3, 3, 20_001],
  ['at most 200 tasks at once', { limit: 500 }, 200, 600, 20_000],
  ['200 tasks at once', { limit: 3, node: 'mac-1' }, 200, 1_000, 20_000],
  ['200 tasks at once', { limit: 3, tags: {} }, 200, 1_000, 20_000],
  ['200 tasks at once', { limit: 3, unacknowledged: true }, 200, 1_000, 20_000],
  ['200 tasks at once', { limit: 3, since: 0 }, 200, 1_000, 20_000],
  ['200 tasks at once', { limit: 3, text: 'x' }, 200, 1_000, 20_000],
  ['as many ids as are wanted', { limit: 30_001, node: 'mac-1' }, 200, 30_200, 30_200],
])('reads %s for %j, and whole pages of ids first', (_, fields, page, byTime, inOtherOrder) => {
  const filter = { limit: 0, ...fields };
  expect([pageOf(filter), firstLook(false, filter), firstLook(true, filter)]).toEqual([page, byTime, inOtherOrder]);
});
