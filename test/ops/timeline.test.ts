import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import type { HistoryEvent, Task } from '../../src/domain/task.ts';
import { layOut, ticks } from '../../src/ops/dashboard/page/layout.ts';
import { deadPeriods, runsOf } from '../../src/ops/dashboard/timeline.ts';
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

describe('the runs of a task', () => {
  it('draws runs as bars, and handovers as arrows', () => {
    const runs = runsOf(
      task(
        [0, 'enqueued'],
        [1, 'claimed', 'a'],
        [3, 'handover', 'a', 'crash'],
        [4, 'claimed', 'b'],
        [6, 'retry', 'b'],
        [9, 'claimed', 'a'],
      ),
    );
    expect(runs.bars).toEqual([
      { node: 'a', attempt: 1, from: 1_000, to: 3_000, end: 'handover' },
      { node: 'b', attempt: 1, from: 4_000, to: 6_000, end: 'retry' },
      { node: 'a', attempt: 1, from: 9_000, to: null, end: 'claimed' },
    ]);
    expect(runs.arrows).toEqual([{ from: 'a', at: 3_000, reason: 'crash', to: 'b', claimedAt: 4_000 }]);
  });

  it('leaves an arrow open until a node claims the task', () => {
    const { arrows } = runsOf(task([0, 'enqueued'], [1, 'claimed', 'a'], [3, 'handover', 'a', 'drain']));
    expect(arrows).toMatchObject([{ to: null, claimedAt: null }]);
  });

  it('puts runs on the lanes of their nodes, and simultaneous ones in rows of their own', () => {
    const run = fc.record({
      node: fc.constantFrom('a', 'b', 'c'),
      from: fc.integer({ min: 0, max: 1_000 }),
      length: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 40 }), (list) => {
        const runs = list.map(({ node, from, length }, index) => ({
          id: String(index),
          pool: 'p',
          title: '',
          arrows: [],
          bars: [{ node, attempt: 1, from, to: from + length, end: 'completed' as const }],
        }));
        const { lanes, bars, height } = layOut(['a', 'b'], runs, [], 0, 2_000);
        expect(bars).toHaveLength(list.length);
        for (const [index, bar] of bars.entries()) {
          const lane = lanes.find(({ node }) => node === bar.node);
          expect(bar.y >= (lane?.y ?? Infinity) && bar.y < (lane?.y ?? 0) + (lane?.height ?? 0)).toBe(true);
          const onTop = bars
            .slice(index + 1)
            .some((other) => other.y === bar.y && other.from < (bar.to ?? 0) && bar.from < (other.to ?? 0));
          expect(onTop).toBe(false);
        }
        expect(lanes.every((lane) => lane.y + lane.height <= height)).toBe(true);
      }),
    );
  });

  it('draws an axis with round times at readable distances', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 3_600_000 }), fc.integer({ min: 100, max: 2_000 }), (length, width) => {
        const times = ticks(0, length, width);
        const gap = ((times[1] ?? length) - (times[0] ?? 0)) * (width / length);
        expect(times.length < 2 || gap >= 85).toBe(true);
      }),
    );
  });
});

describe('dead times', () => {
  const event = (second: number, name: string, silentMs: number | null = null) =>
    ({ event: name, node: 'a', at: at(second), silentMs, reason: 'crash' }) as unknown as MeshEvent;

  it('starts a dead time with the last sign of life, and ends it when the node is back', () => {
    expect(deadPeriods([event(10, 'node-dead', 2_000), event(15, 'node-up')], [], 20_000)).toEqual([
      { node: 'a', from: 8_000, to: 15_000, reason: 'crash' },
    ]);
    expect(deadPeriods([event(10, 'node-dead', 2_000)], [], 20_000)).toMatchObject([{ from: 8_000, to: null }]);
  });

  it('ends a dead time when the node is forgotten', () => {
    const events = [event(10, 'node-dead', 2_000), event(15, 'node-forgotten')];
    expect(deadPeriods(events, [], 20_000)).toMatchObject([{ from: 8_000, to: 15_000 }]);
  });

  it('shows the dead time of a node whose death is no longer in the log', () => {
    const node = { id: 'b', state: 'dead', heartbeatAgeMs: 5_000 } as Node;
    expect(deadPeriods([], [node], 20_000)).toMatchObject([{ node: 'b', from: 15_000, to: null }]);
  });
});
