import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import type { TaskState } from '../../src/domain/task-state.ts';
import { mentions, readTaskPage, type TaskPageQuery } from '../../src/ops/dashboard/api/task-page.ts';
import type { TaskFilter } from '../../src/queue/task-filter.ts';

const task = (id: string, at: number, more: Partial<Task> = {}) =>
  ({
    id,
    pool: 'default',
    state: 'waiting',
    message: '',
    tags: {},
    error: null,
    enqueuedAt: new Date(at).toISOString(),
    ...more,
  }) as Task;

const newestFirst = (tasks: readonly Task[]) =>
  tasks.toSorted((a, b) => Date.parse(b.enqueuedAt) - Date.parse(a.enqueuedAt) || (a.id < b.id ? 1 : -1));

/** A queue that lists as {@link TaskReader} does, and the limits that it was asked for. */
function queueOf(tasks: readonly Task[]) {
  const limits: number[] = [];
  const list = async ({ state, limit }: TaskFilter) => {
    limits.push(limit);
    return newestFirst(tasks.filter((one) => state === undefined || one.state === state)).slice(0, limit);
  };
  return { list, limits };
}

async function allPages(tasks: readonly Task[], query: Omit<TaskPageQuery, 'cursor'>) {
  const found: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await readTaskPage(queueOf(tasks).list, { ...query, cursor });
    expect(page.complete).toBe(true);
    found.push(...page.tasks);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found.map(({ id }) => id);
}

const STATES = ['waiting', 'failed', 'completed'] as const;

describe('a page of tasks', () => {
  it('shows each match exactly once over all pages, newest first, also if tasks were enqueued in the same millisecond', async () => {
    const some = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: 20 }),
        state: fc.constantFrom(...STATES),
        message: fc.constantFrom('a', 'b'),
      }),
      { maxLength: 60 },
    );
    const query = fc.record({
      states: fc.subarray([...STATES] as TaskState[]),
      text: fc.constantFrom(undefined, 'a'),
      from: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      to: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      limit: fc.integer({ min: 1, max: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(some, query, async (list, wanted) => {
        const tasks = list.map(({ at, ...more }, index) => task(`t${String(index).padStart(2, '0')}`, at, more));
        const { states, text, from = 0, to = Number.POSITIVE_INFINITY } = wanted;
        const expected = newestFirst(tasks).filter(({ state, message, enqueuedAt }) => {
          const at = Date.parse(enqueuedAt);
          const inTime = at >= from && at < to;
          return inTime && (states.length === 0 || states.includes(state)) && (text === undefined || message === text);
        });
        expect(await allPages(tasks, wanted)).toEqual(expected.map(({ id }) => id));
      }),
    );
  });

  it('reads little for an unfiltered page, and says so if a rare word would require reading all tasks', async () => {
    const tasks = Array.from({ length: 7_000 }, (_, index) => task(`t${String(index).padStart(4, '0')}`, index));
    const plain = queueOf(tasks);
    expect((await readTaskPage(plain.list, { states: [], limit: 50 })).tasks).toHaveLength(50);
    expect(plain.limits).toEqual([51]);
    const rare = queueOf([task('old', -1, { message: 'needle' }), ...tasks]);
    expect(await readTaskPage(rare.list, { states: [], text: 'needle', limit: 50 })).toEqual({
      tasks: [],
      next: null,
      complete: false,
    });
    expect(rare.limits.at(-1)).toBe(5_000);
  });

  it('stops reading at the beginning of the period', async () => {
    const tasks = Array.from({ length: 7_000 }, (_, index) => task(`t${String(index).padStart(4, '0')}`, index));
    const { list, limits } = queueOf(tasks);
    expect(await readTaskPage(list, { states: [], from: 6_990, text: 'needle', limit: 50 })).toEqual({
      tasks: [],
      next: null,
      complete: true,
    });
    expect(limits).toEqual([51]);
  });

  it('finds words in any part of a task, in upper or lower case, and requires all of them', () => {
    const one = task('01kb', 0, {
      message: 'Build the app',
      tags: { repo: 'Web' },
      error: { kind: 'invalid', message: 'no such branch', retryable: false },
    });
    for (const text of ['', 'build', 'BRANCH repo=web', '01KB app', 'invalid']) expect(mentions(one, text)).toBe(true);
    for (const text of ['build nothing', 'repo=x']) expect(mentions(one, text)).toBe(false);
  });
});
