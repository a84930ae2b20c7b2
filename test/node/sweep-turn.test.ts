import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sweepTurn } from '../../src/node/sweep-turn.ts';

describe('turns to sweep', () => {
  it('leaves no interval without a sweep and none with two, whenever each node looks', () => {
    const mesh = fc.record({
      nodes: fc.integer({ min: 1, max: 40 }),
      intervalMs: fc.integer({ min: 50, max: 250 }),
      start: fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
      late: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 40, maxLength: 40 }),
    });
    fc.assert(
      fc.property(mesh, ({ nodes, intervalMs, start, late }) => {
        const slots: number[] = [];
        for (let rank = 0; rank < nodes; rank++) {
          let now = start;
          for (let turn = 0; turn < 4; turn++) {
            now += sweepTurn({ now, rank, nodes, intervalMs });
            slots.push(Math.round(now / intervalMs));
            now += late[rank] ?? 0;
          }
        }
        slots.sort((a, b) => a - b);
        expect(new Set(slots).size).toBe(slots.length);
        // Each node's first turn is within one round; between the last first and the first last one, none is missing.
        const inner = slots.slice(nodes, -nodes);
        expect(inner.every((slot, i) => i === 0 || slot === (inner[i - 1] ?? 0) + 1)).toBe(true);
      }),
    );
  });

  it('gives no second turn to a timer that was early', () => {
    expect(sweepTurn({ now: 999, rank: 0, nodes: 2, intervalMs: 250 })).toBe(501);
    expect(sweepTurn({ now: 1_000, rank: 0, nodes: 2, intervalMs: 250 })).toBe(500);
  });
});
