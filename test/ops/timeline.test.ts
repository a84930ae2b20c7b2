import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryEvent, Task } from '../../src/domain/task.ts';
import { arrowsOf } from '../../src/ops/dashboard/page/arrows.ts';
import { ticks } from '../../src/ops/dashboard/page/axis.ts';
import { barsAt, eachBar, IMPORTANCE, layOut, rowBox, type Scale, xOf } from '../../src/ops/dashboard/page/layout.ts';
import { barsBetween, endOf, neighbour, type PlacedBar, RunStore } from '../../src/ops/dashboard/page/run-store.ts';
import { handoverWords } from '../../src/ops/dashboard/page/run-words.ts';
import { type Bar, deadPeriods, runsOf, type TaskRuns } from '../../src/ops/dashboard/timeline.ts';
import type { MeshEvent } from '../../src/registry/event-log.ts';

const at = (second: number) => new Date(second * 1_000).toISOString();

function task(...history: [second: number, event: HistoryEvent, node?: string, reason?: string][]): Task {
  const entries = history.map(([second, event, node, reason]) => ({
    at: at(second),
    event,
    node: node ?? null,
    attempt: 1,
    reason: reason ?? null,
  }));
  return { id: 't', pool: 'p', message: 'm', history: entries } as unknown as Task;
}

const NOW = 2_000;

/** A run that has completed, unless `rest` says otherwise. */
function aBar(node: string, from: number, to: number | null, rest: Partial<Bar> = {}): Bar {
  return { node, attempt: 1, from, to, end: to === null ? 'claimed' : 'completed', ...rest };
}

/** A task with these runs. */
function aTask(id: string, ...bars: Bar[]): TaskRuns {
  return { id, pool: 'p', bars };
}

function allBars(store: RunStore): PlacedBar[] {
  return [...store.nodes].flatMap((node) => store.rowsOf(node).flat());
}

/** Runs on three nodes, some of which still continue. */
const someRuns = fc.array(
  fc.record({
    node: fc.constantFrom('a', 'b', 'c'),
    from: fc.integer({ min: 0, max: 1_000 }),
    length: fc.option(fc.integer({ min: 1, max: 300 }), { freq: 5 }),
    end: fc.constantFrom(...IMPORTANCE.filter((end) => end !== 'claimed')),
  }),
  { maxLength: 40 },
);

function storeOf(runs: readonly { node: string; from: number; length: number | null; end: Bar['end'] }[]): RunStore {
  const store = new RunStore();
  for (const [index, { node, from, length, end }] of runs.entries()) {
    const bar = length === null ? aBar(node, from, null) : aBar(node, from, from + length, { end });
    store.set(aTask(String(index), bar));
  }
  return store;
}

describe('the runs of a task', () => {
  it('are bars, with the reason of each handover', () => {
    const runs = runsOf(
      task(
        [0, 'enqueued'],
        [1, 'claimed', 'a'],
        [3, 'handover', 'a', 'crash'],
        [4, 'claimed', 'b'],
        [6, 'retry', 'b', 'an error'],
        [9, 'claimed', 'a'],
      ),
    );
    expect(runs.bars).toEqual([
      { node: 'a', attempt: 1, from: 1_000, to: 3_000, end: 'handover', reason: 'crash' },
      { node: 'b', attempt: 1, from: 4_000, to: 6_000, end: 'retry' },
      { node: 'a', attempt: 1, from: 9_000, to: null, end: 'claimed' },
    ]);
  });

  it('say which node continued the task, or that none has yet', () => {
    const store = new RunStore();
    const interrupted = aBar('a', 1_000, 3_000, { end: 'handover', reason: 'drain' });
    store.set(aTask('t', interrupted));
    const words = () => handoverWords(store.barsOf({ id: 't', pool: 'p' })[0] as PlacedBar);
    expect(words()).toBe('drain, waits for a node');
    store.set(aTask('t', interrupted, aBar('b', 4_000, null)));
    expect(words()).toBe('drain, claimed by b after 1.0s');
  });
});

describe('the store of runs', () => {
  it('puts runs on the lanes of their nodes, and simultaneous ones in rows of their own', () => {
    fc.assert(
      fc.property(someRuns, (runs) => {
        const store = storeOf(runs);
        expect(allBars(store)).toHaveLength(runs.length);
        for (const node of store.nodes) {
          for (const row of store.rowsOf(node)) {
            expect(row.every((bar) => bar.node === node)).toBe(true);
            const overlapping = row.filter((bar, index) => index > 0 && endOf(bar) > (row[index - 1]?.from ?? 0));
            expect(overlapping).toEqual([]);
          }
        }
      }),
    );
  });

  it('keeps a run in its row when it ends, and when earlier runs are loaded', () => {
    const store = new RunStore();
    store.set(aTask('t1', aBar('a', 100, null)));
    store.set(aTask('t2', aBar('a', 200, null)));
    store.set(aTask('t1', aBar('a', 100, 300)));
    store.set(aTask('t0', aBar('a', 0, 90)));
    const rows = store.rowsOf('a').map((row) => row.map((bar) => `${bar.task.id} ${bar.from}-${bar.to}`));
    expect(rows).toEqual([['t1 100-300', 't0 0-90'], ['t2 200-null']]);
  });

  it('replaces the runs of a task that differ from those it knew', () => {
    const store = new RunStore();
    store.set(aTask('t', aBar('a', 100, 200, { end: 'handover', reason: 'crash' }), aBar('b', 210, null)));
    store.set(aTask('t', aBar('a', 100, 200, { end: 'handover', reason: 'crash' }), aBar('c', 220, null)));
    expect(allBars(store).map(({ node }) => node)).toEqual(['a', 'c']);
    expect([...store.handovers]).toHaveLength(1);
    store.delete('p t');
    expect([allBars(store), [...store.handovers], store.size]).toEqual([[], [], 0]);
  });

  it('drops the tasks that ended first, and never one that runs', () => {
    const store = new RunStore();
    store.set(aTask('old', aBar('a', 0, 10)));
    store.set(aTask('runs', aBar('b', 0, null)));
    store.set(aTask('new', aBar('a', 20, 30)));
    expect(store.keepNewest(2)).toBe(10);
    expect(store.keepNewest(0)).toBe(30);
    expect(allBars(store).map(({ task: { id } }) => id)).toEqual(['runs']);
  });

  it('finds the runs of a period', () => {
    fc.assert(
      fc.property(someRuns, fc.integer({ min: 0, max: 1_300 }), fc.nat(400), (runs, from, length) => {
        const store = storeOf(runs);
        const found = [...store.nodes].flatMap((node) =>
          store.rowsOf(node).flatMap((row) => barsBetween(row, from, from + length)),
        );
        const expected = allBars(store).filter((bar) => bar.from <= from + length && endOf(bar) >= from);
        expect(new Set(found)).toEqual(new Set(expected));
      }),
    );
  });

  it('leads from run to run of a lane in the order of time, forth and back', () => {
    fc.assert(
      fc.property(someRuns, (runs) => {
        const rows = storeOf(runs.map((run) => ({ ...run, node: 'a' }))).rowsOf('a');
        const walk = (from: PlacedBar | undefined, step: 1 | -1) => {
          const seen: PlacedBar[] = [];
          for (let bar = from; bar; bar = neighbour(rows, bar, step)) seen.push(bar);
          return seen;
        };
        const first = rows.flat().reduce<PlacedBar | undefined>((one, bar) => {
          return !one || bar.from < one.from || (bar.from === one.from && bar.row < one.row) ? bar : one;
        }, undefined);
        const forth = walk(first, 1);
        expect(forth).toHaveLength(runs.length);
        expect(forth.map(({ from }) => from)).toEqual(runs.map(({ from }) => from).sort((a, b) => a - b));
        expect(walk(forth.at(-1), -1)).toEqual(forth.toReversed());
      }),
    );
  });
});

describe('the layout of the timeline', () => {
  const scale: Scale = { from: 0, to: NOW, left: 100, right: 500 };

  it('shows a lane for each node, however many are idle, and below them those that were there in this period', () => {
    const nodes = Array.from({ length: 40 }, (_, index) => `mac-${index}`);
    const store = new RunStore();
    store.set(aTask('t', aBar('retired', 100, 200)));
    const names = (from: number) => layOut(nodes, store, [], from, NOW).lanes.map(({ node }) => node);
    expect(names(0)).toEqual([...nodes, 'retired']);
    expect(names(300)).toEqual(nodes);
  });

  it('places all bars of a lane inside it, and no lane on another', () => {
    fc.assert(
      fc.property(someRuns, (runs) => {
        const store = storeOf(runs);
        const { lanes, height } = layOut(['a', 'b'], store, [], 0, NOW);
        let bottom = 0;
        for (const lane of lanes) {
          expect(lane.y).toBe(bottom);
          bottom += lane.height;
          for (const index of store.rowsOf(lane.node).keys()) {
            const box = rowBox(lane, index);
            expect(box.y >= lane.y && box.y + box.height <= lane.y + lane.height).toBe(true);
          }
        }
        expect(height).toBe(bottom);
      }),
    );
  });

  it('draws at most one block per pixel of a row, hides no run, and hides no failure behind another end', () => {
    const dense = fc.array(
      fc.record({
        gap: fc.integer({ min: 0, max: 8 }),
        length: fc.integer({ min: 1, max: 20 }),
        end: fc.constantFrom(...IMPORTANCE),
      }),
      { minLength: 1, maxLength: 300 },
    );
    fc.assert(
      fc.property(dense, (list) => {
        const store = new RunStore();
        let time = 0;
        for (const [index, { gap, length, end }] of list.entries()) {
          store.set(aTask(String(index), aBar('a', time + gap, time + gap + length, { end })));
          time += gap + length;
        }
        const row = barsBetween(store.rowsOf('a')[0] ?? [], 0, time);
        const tight = { ...scale, to: time * 3 };
        const drawn: { x: number; width: number; end: Bar['end'] }[] = [];
        eachBar(row, tight, time, (x, width, end) => drawn.push({ x, width, end }));
        expect(drawn.length).toBeLessThanOrEqual(tight.right - tight.left);
        for (const bar of row) {
          const isNarrow = xOf(tight, endOf(bar)) - xOf(tight, bar.from) < 1;
          const middle = (isNarrow ? Math.floor(xOf(tight, bar.from)) : xOf(tight, bar.from)) + 0.5;
          const over = drawn.filter(({ x, width }) => x <= middle && x + width >= middle);
          const best = Math.min(...over.map(({ end }) => IMPORTANCE.indexOf(end)));
          expect(best).toBeLessThanOrEqual(IMPORTANCE.indexOf(bar.end));
        }
      }),
    );
  });

  it('finds the run at a place of the picture, and all of them where several share a pixel', () => {
    const store = new RunStore();
    store.set(aTask('wide', aBar('a', 1_000, 1_500)));
    for (let index = 0; index < 5; index++) store.set(aTask(`n${index}`, aBar('a', 100 + index, 101 + index)));
    const layout = layOut(['a'], store, [], 0, NOW);
    const y = rowBox(layout.lanes[0] as (typeof layout.lanes)[0], 0).y + 2;
    const found = (time: number) => barsAt(layout, store, scale, xOf(scale, time), y).map(({ task: { id } }) => id);
    expect(found(1_200)).toEqual(['wide']);
    expect(found(102)).toHaveLength(5);
    expect(found(600)).toEqual([]);
  });

  describe('with handovers', () => {
    const nodes = ['a', 'b', 'c'];
    const moves = fc.array(
      fc.record({
        from: fc.constantFrom(...nodes),
        to: fc.option(fc.constantFrom(...nodes)),
        at: fc.integer({ min: -500, max: 2_500 }),
        wait: fc.integer({ min: 0, max: 3_000 }),
      }),
      { maxLength: 30 },
    );
    const drawn = (store: RunStore) =>
      arrowsOf(store, layOut(nodes, store, [], 0, NOW), scale, NOW, [0, Number.POSITIVE_INFINITY]);

    it('keeps all points of all arrows in the frame', () => {
      fc.assert(
        fc.property(moves, (list) => {
          const store = new RunStore();
          for (const [index, { from, to, at, wait }] of list.entries()) {
            const cut = aBar(from, at - 100, at, { end: 'handover', reason: 'crash' });
            store.set(aTask(String(index), cut, ...(to === null ? [] : [aBar(to, at + wait, null)])));
          }
          const { height } = layOut(nodes, store, [], 0, NOW);
          for (const { from, bends, to } of drawn(store)) {
            for (const [x, y] of [from, ...bends, to]) {
              expect(x >= scale.left && x <= scale.right && y >= 0 && y <= height).toBe(true);
            }
          }
        }),
      );
    });

    it('leads from the run that was cut off to the one that continued the task, or waits', () => {
      const store = new RunStore();
      const cut = aBar('a', 0, 500, { end: 'handover', reason: 'crash' });
      store.set(aTask('moved', cut, aBar('c', 1_000, null)));
      store.set(aTask('waits', { ...cut, node: 'b' }));
      const [moved, waits] = drawn(store);
      expect(moved).toMatchObject({ waits: false, hasHead: true });
      expect([moved?.from[0], moved?.to[0]]).toEqual([xOf(scale, 500), xOf(scale, 1_000)]);
      expect(moved?.to[1]).toBeGreaterThan(moved?.from[1] ?? Number.NaN);
      expect(waits).toMatchObject({ waits: true, hasHead: false });
      expect([waits?.to[0], waits?.to[1]]).toEqual([xOf(scale, NOW), waits?.from[1]]);
    });

    it('draws one arrow for handovers that would cover each other', () => {
      const store = new RunStore();
      for (let index = 0; index < 50; index++) {
        const [at, node] = [1_000 + index / 10, 'a'];
        store.set(aTask(`t${index}`, aBar(node, at - 0.1, at, { end: 'handover', reason: 'crash' })));
      }
      expect(drawn(store).length).toBeLessThan(3);
    });
  });

  it('draws an axis with round times at readable distances, from seconds to weeks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_000, max: 31 * 86_400_000 }),
        fc.integer({ min: 100, max: 2_000 }),
        (length, width) => {
          const times = ticks(0, length, width).map(({ time }) => time);
          const gap = ((times[1] ?? length) - (times[0] ?? 0)) * (width / length);
          expect(times.length < 2 || gap >= 85).toBe(true);
        },
      ),
    );
  });

  it('names days on an axis of days, and seconds on one of seconds', () => {
    const noon = new Date(2026, 10, 28, 12).getTime();
    const [day] = ticks(noon - 7 * 86_400_000, noon, 1_000);
    expect(new Date(day?.time ?? 0).getHours()).toBe(0);
    expect(day?.label).toMatch(/Nov/);
    expect(ticks(noon - 60_000, noon, 1_000)[0]?.label).toMatch(/^11:59:\d\d$/);
  });
});

describe('dead times', () => {
  const event = (second: number, name: string, silentMs: number | null = null) =>
    ({ event: name, node: 'a', at: at(second), silentMs, reason: 'crash' }) as unknown as MeshEvent;

  it('starts a dead time with the last sign of life, and ends it when the node is back', () => {
    expect(deadPeriods([event(10, 'node-dead', 2_000), event(15, 'node-up')], [])).toEqual([
      { node: 'a', from: 8_000, to: 15_000, reason: 'crash' },
    ]);
    expect(deadPeriods([event(10, 'node-dead', 2_000)], [])).toMatchObject([{ from: 8_000, to: null }]);
  });

  it('ends a dead time when the node is forgotten', () => {
    const events = [event(10, 'node-dead', 2_000), event(15, 'node-forgotten')];
    expect(deadPeriods(events, [])).toMatchObject([{ from: 8_000, to: 15_000 }]);
  });

  it('shows the dead time of a node whose death is no longer in the log', () => {
    const node = { id: 'b', state: 'dead', heartbeatAt: 15_000 } as const;
    expect(deadPeriods([], [node])).toMatchObject([{ node: 'b', from: 15_000, to: null }]);
  });
});
