import { describe, expect, it } from 'vitest';
import type { HistoryEvent, TaskRef } from '../../src/domain/task.ts';
import { RecentRuns, type RunSource } from '../../src/ops/dashboard/recent-runs.ts';
import { keyOf } from '../../src/ops/dashboard/timeline.ts';
import type { TaskHistory } from '../../src/queue/bullmq/run-reader.ts';

type Step = [at: number, event: HistoryEvent, node?: string];

/** A queue whose tasks the test moves by hand. */
class HandMadeQueue implements RunSource {
  readonly #tasks = new Map<string, { task: TaskHistory; place: 'active' | 'ended' | 'line' }>();
  /** What happens between the reads of running and of ended tasks. */
  afterActive = () => {};
  /** How often each kind of read has happened. */
  readonly reads = { active: 0, interrupted: 0, ended: 0, of: 0 };

  put(id: string, place: 'active' | 'ended' | 'line', ...steps: Step[]): void {
    const history = steps.map(([at, event, node]) => ({
      at: new Date(at).toISOString(),
      event,
      node: node ?? null,
      attempt: 1,
      reason: null,
    }));
    this.#tasks.set(id, { task: { id, pool: 'p', history }, place });
  }

  remove(id: string): void {
    this.#tasks.delete(id);
  }

  #at(place: string): TaskHistory[] {
    return [...this.#tasks.values()].filter((one) => one.place === place).map(({ task }) => task);
  }

  readonly runs = {
    active: async () => {
      this.reads.active++;
      const tasks = this.#at('active');
      this.afterActive();
      return tasks;
    },
    interrupted: async () => {
      this.reads.interrupted++;
      return this.#at('line');
    },
    ended: async ({ since = 0 }: { since?: number | undefined }) => {
      this.reads.ended++;
      const tasks = this.#at('ended').filter(({ history }) => Date.parse(history.at(-1)?.at ?? '') >= since);
      return { tasks, reach: null };
    },
    of: async (tasks: readonly TaskRef[]) => {
      this.reads.of += tasks.length;
      return tasks.flatMap(({ id }) => this.#tasks.get(id)?.task ?? []);
    },
  };
}

describe('the recent runs', () => {
  const changedBy = async (runs: RecentRuns, now: number) =>
    (await runs.update(now)).changed.map((task) => `${keyOf(task)} ${task.bars.map(({ end }) => end).join(' ')}`);

  it('are told once when they begin and once when they end', async () => {
    const queue = new HandMadeQueue();
    const runs = new RecentRuns(queue);
    expect(await changedBy(runs, 1_000)).toEqual([]);
    queue.put('t', 'active', [900, 'enqueued'], [1_100, 'claimed', 'a']);
    expect(await changedBy(runs, 1_200)).toEqual(['p t claimed']);
    expect(await changedBy(runs, 1_600)).toEqual([]);
    queue.put('t', 'ended', [900, 'enqueued'], [1_100, 'claimed', 'a'], [1_700, 'completed', 'a']);
    expect(await changedBy(runs, 2_000)).toEqual(['p t completed']);
    expect(await changedBy(runs, 2_400)).toEqual([]);
  });

  it('end before others begin, so that the page can give both the same row', async () => {
    const queue = new HandMadeQueue();
    const runs = new RecentRuns(queue);
    queue.put('first', 'active', [0, 'enqueued'], [500, 'claimed', 'a']);
    await runs.update(1_000);
    queue.put('second', 'active', [0, 'enqueued'], [1_200, 'claimed', 'a']);
    queue.put('first', 'ended', [0, 'enqueued'], [500, 'claimed', 'a'], [1_200, 'completed', 'a']);
    expect(await changedBy(runs, 1_400)).toEqual(['p first completed', 'p second claimed']);
    // The latest end comes first from the queue.
    queue.put('fourth', 'ended', [0, 'enqueued'], [1_700, 'claimed', 'a'], [1_750, 'completed', 'a']);
    queue.put('third', 'ended', [0, 'enqueued'], [1_600, 'claimed', 'a'], [1_700, 'completed', 'a']);
    queue.put('second', 'ended', [0, 'enqueued'], [1_200, 'claimed', 'a'], [1_600, 'completed', 'a']);
    expect(await changedBy(runs, 1_800)).toEqual(['p second completed', 'p third completed', 'p fourth completed']);
  });

  it('have ended if the task ends between the reads of running and of ended tasks', async () => {
    const queue = new HandMadeQueue();
    const runs = new RecentRuns(queue);
    const claimed: Step[] = [
      [0, 'enqueued'],
      [500, 'claimed', 'a'],
    ];
    queue.put('t', 'active', ...claimed);
    await runs.update(1_000);
    queue.afterActive = () => queue.put('t', 'ended', ...claimed, [1_200, 'completed', 'a']);
    expect(await changedBy(runs, 1_400)).toEqual(['p t completed']);
    expect(await changedBy(runs, 1_800)).toEqual([]);
  });

  it('include those of tasks that wait for their next run, which are not read again until it begins', async () => {
    const queue = new HandMadeQueue();
    const runs = new RecentRuns(queue);
    queue.put('before', 'line', [0, 'enqueued'], [100, 'claimed', 'a'], [200, 'retry', 'a']);
    queue.put('t', 'active', [0, 'enqueued'], [500, 'claimed', 'a']);
    expect(await changedBy(runs, 1_000)).toEqual(['p before retry', 'p t claimed']);
    queue.put('t', 'line', [0, 'enqueued'], [500, 'claimed', 'a'], [1_200, 'handover', 'a']);
    expect(await changedBy(runs, 1_400)).toEqual(['p t handover']);
    for (let now = 1_800; now < 10_000; now += 400) expect(await changedBy(runs, now)).toEqual([]);
    expect(queue.reads).toMatchObject({ interrupted: 1, of: 1 });
    queue.put(
      't',
      'active',
      [0, 'enqueued'],
      [500, 'claimed', 'a'],
      [1_200, 'handover', 'a'],
      [10_100, 'claimed', 'b'],
    );
    expect(await changedBy(runs, 10_200)).toEqual(['p t handover claimed']);
    expect(runs.all.map(keyOf)).toEqual(['p before', 'p t']);
  });

  it('forget ended tasks, which are history, and name running tasks that were removed', async () => {
    const queue = new HandMadeQueue();
    const runs = new RecentRuns(queue);
    queue.put('ended', 'ended', [0, 'enqueued'], [500, 'claimed', 'a'], [900, 'completed', 'a']);
    queue.put('removed', 'active', [0, 'enqueued'], [500, 'claimed', 'a']);
    await runs.update(1_000);
    expect(runs.all.map(keyOf).sort()).toEqual(['p ended', 'p removed']);
    queue.remove('removed');
    expect((await runs.update(2_000)).gone).toEqual(['p removed']);
    await runs.update(3_100);
    await runs.update(6_000);
    expect(runs.all).toEqual([]);
  });
});
