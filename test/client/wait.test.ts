import { describe, expect, it } from 'vitest';
import { waitForTasks } from '../../src/client/wait.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { Task } from '../../src/domain/task.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const DAY_MS = 86_400_000;

describe('a wait for tasks', () => {
  /** Reads tasks that end at these times (ms of the wait); of a task without one, `undefined` is read. */
  const readsOf = (clock: VirtualClock, ends: Readonly<Record<string, number>>) => {
    const reads: number[] = [];
    const read = async (id: string): Promise<Task | undefined> => {
      reads.push(clock.monotonic());
      const end = ends[id];
      return end === undefined ? undefined : ({ id, state: clock.monotonic() >= end ? 'completed' : 'active' } as Task);
    };
    return { read, reads };
  };

  it('returns at once if all tasks have ended, in the order of their ids', async () => {
    const clock = new VirtualClock();
    const { read, reads } = readsOf(clock, { a: 0, b: 0 });
    const ended = await waitForTasks({ read, ids: ['b', 'a'], clock });
    expect(ended.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(reads).toEqual([0, 0]);
  });

  it('reads only the tasks that have not ended, every 250 ms', async () => {
    const clock = new VirtualClock();
    const { read, reads } = readsOf(clock, { soon: 0, late: 600 });
    const progress: [string[], number][] = [];
    const onProgress = (running: readonly Task[], ms: number) => progress.push([running.map(({ id }) => id), ms]);
    const waiting = waitForTasks({ read, ids: ['soon', 'late'], clock, onProgress });
    await clock.advance(750);
    await waiting;
    expect(reads).toEqual([0, 0, 250, 500, 750]);
    expect(progress).toEqual([
      [['late'], 0],
      [['late'], 250],
      [['late'], 500],
    ]);
  });

  it('times out exactly after its limit, and reports the state of each task', async () => {
    const clock = new VirtualClock();
    const { read, reads } = readsOf(clock, { a: 0, b: DAY_MS, c: DAY_MS });
    const waiting = waitForTasks({ read, ids: ['a', 'b', 'c'], clock, timeoutMs: 600 });
    waiting.catch(() => {}); // awaited below
    await clock.advance(599);
    expect(reads.at(-1)).toBe(500);
    await clock.advance(1);
    await expect(waiting).rejects.toMatchObject({
      code: 'timeout',
      message: 'not ended after 600ms: b is active, c is active',
    });
    expect(clock.pending).toBe(0);
  });

  it('reports whether a task is unknown or no longer kept', async () => {
    const clock = new VirtualClock();
    const ends: Record<string, number> = { a: DAY_MS };
    const { read } = readsOf(clock, ends);
    await expect(waitForTasks({ read, ids: ['x'], clock })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.not.stringContaining('no longer exists'),
    });
    const waiting = waitForTasks({ read, ids: ['a'], clock });
    waiting.catch(() => {}); // awaited below
    await clock.advance(0);
    delete ends.a;
    await clock.advance(250);
    await expect(waiting).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('no longer exists'),
    });
  });

  it('ends with the reason of its signal, at once and without another read', async () => {
    const clock = new VirtualClock();
    const { read, reads } = readsOf(clock, { a: DAY_MS });
    const stop = new AbortController();
    const waiting = waitForTasks({ read, ids: ['a'], clock, signal: stop.signal });
    waiting.catch(() => {}); // awaited below
    await clock.advance(100);
    stop.abort(new Error('seen enough'));
    await expect(waiting).rejects.toThrow('seen enough');
    expect(reads).toEqual([0]);
    expect(clock.pending).toBe(0);
  });

  it('times out instead of failing if Redis is away until the limit has passed', async () => {
    const clock = new VirtualClock();
    const read = async (_id: string, until?: number) => {
      await clock.sleep((until ?? 0) - clock.monotonic());
      throw new ClawmeshError('redis', 'Redis is away');
    };
    const waiting = waitForTasks({ read, ids: ['a'], clock, timeoutMs: 1_000 });
    waiting.catch(() => {}); // awaited below
    await clock.advance(1_000);
    await expect(waiting).rejects.toMatchObject({
      code: 'timeout',
      message: 'not ended after 1.0s: the state of a is unknown: Redis is away',
    });
  });
});
