import { describe, expect, it } from 'vitest';
import { RunHistory } from '../../src/ops/dashboard/page/run-history.ts';
import { RunStore } from '../../src/ops/dashboard/page/run-store.ts';
import type { TaskRuns } from '../../src/ops/dashboard/timeline.ts';

/** Task `<n>` ran from n to n + 10. */
function taskAt(time: number): TaskRuns {
  const bar = { node: 'a', attempt: 1, from: time, to: time + 10, end: 'completed' } as const;
  return { id: String(time), pool: 'p', bars: [bar] };
}

/** A server whose pages have three tasks each. */
function served(...times: number[]) {
  const newest = times.toSorted((a, b) => b - a);
  const asked: (number | undefined)[] = [];
  const load = async (before: number | undefined) => {
    asked.push(before);
    const found = newest.filter((time) => before === undefined || time + 10 <= before);
    const tasks = found.slice(0, 3).map(taskAt);
    return { tasks, reach: found.length > 3 ? (found[2] ?? 0) + 9 : null };
  };
  return { asked, load, add: (time: number) => newest.unshift(time) };
}

describe('the history of a page', () => {
  const open = (...times: number[]) => {
    const server = served(...times);
    const store = new RunStore();
    const history = new RunHistory(store, server.load, () => {});
    const loaded = async () => {
      await expect.poll(() => history.state.isLoading).toBe(false);
      return [...store.rowsOf('a').flat()].map(({ from }) => from).sort((a, b) => a - b);
    };
    return { ...server, store, history, loaded };
  };

  it('is loaded only as far back as the view looks', async () => {
    const { asked, history, loaded } = open(100, 200, 300, 400, 500, 600, 700);
    history.want(550);
    expect(await loaded()).toEqual([500, 600, 700]);
    history.want(560);
    history.want(450);
    expect(await loaded()).toEqual([200, 300, 400, 500, 600, 700]);
    expect(asked).toEqual([undefined, 509]);
    expect(history.state.end).toBe(null);
    history.want(0);
    expect(await loaded()).toEqual([100, 200, 300, 400, 500, 600, 700]);
    expect(history.state).toMatchObject({ end: 'nothing', reach: Number.NEGATIVE_INFINITY });
  });

  it('is loaded again since the live view was lost, and no further', async () => {
    const { asked, add, history, loaded } = open(10_000, 20_000, 30_000, 40_000, 50_000);
    history.want(35_000);
    expect(await loaded()).toEqual([30_000, 40_000, 50_000]);
    add(60_000);
    add(70_000);
    history.reopen(58_000);
    expect(await loaded()).toEqual([30_000, 40_000, 50_000, 60_000, 70_000]);
    expect(asked).toEqual([undefined, undefined]);
  });

  it('does not replace a newer run that the live view has told of', async () => {
    const { store, history, loaded } = open(100);
    const runs = taskAt(100);
    store.set({ ...runs, bars: [...runs.bars, { node: 'b', attempt: 2, from: 300, to: null, end: 'claimed' }] });
    history.want(0);
    await loaded();
    expect(store.barsOf(runs)).toHaveLength(2);
  });
});
