import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/node/slots.ts';

const slotsOf = (total: number, weights: Record<string, number> = {}) =>
  new Slots({ total, weightOf: (pool) => weights[pool] ?? 1 });

describe('slots of a node', () => {
  it('gives out slots until all are in use', () => {
    const slots = slotsOf(2);
    expect([slots.take('a'), slots.take('b'), slots.take('a')]).toEqual([true, true, false]);
    slots.release();
    expect([slots.free, slots.take('b')]).toEqual([1, true]);
  });

  it('gives slots to the waiting pools in proportion to their weights', async () => {
    const slots = slotsOf(1, { urgent: 3 });
    slots.take('default');
    const starts: string[] = [];
    const wait = (pool: string) => void slots.turn(pool).then((granted) => granted && starts.push(pool));
    wait('urgent');
    wait('default');
    for (let i = 0; i < 40; i++) {
      slots.release();
      await new Promise((resolve) => setImmediate(resolve));
      wait(starts.at(-1) as string);
    }
    expect(starts.filter((pool) => pool === 'urgent')).toHaveLength(30);
  });

  it('lets a pool keep a slot while no other pool has a better claim to it', async () => {
    const slots = slotsOf(1, { urgent: 2 });
    slots.take('default');
    expect(slots.mayKeep('default')).toBe(true);
    const turn = slots.turn('urgent');
    expect(slots.mayKeep('default'), 'urgent has had nothing yet').toBe(false);
    slots.release();
    expect(await turn).toBe(true);
  });

  it('lets no pool keep a slot while more runs than slots exist after a restart', () => {
    const slots = slotsOf(1);
    slots.use('a');
    slots.use('a');
    expect([slots.free, slots.mayKeep('a')]).toEqual([0, false]);
    slots.release();
    expect(slots.mayKeep('a')).toBe(true);
  });

  it('ends a cancelled wait for a slot', async () => {
    const slots = slotsOf(1);
    slots.take('a');
    const turn = slots.turn('b');
    slots.cancel('b');
    expect(await turn).toBe(false);
    slots.release();
    expect(slots.take('a')).toBe(true);
  });

  it('starves no pool, however small its weight is', () => {
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }), async (weights) => {
        const names = weights.map((_, index) => `p${index}`);
        const slots = slotsOf(1, Object.fromEntries(names.map((name, index) => [name, weights[index] ?? 1])));
        const starts = new Map(names.map((name) => [name, 0]));
        slots.use('other');
        const wait = (pool: string) =>
          void slots.turn(pool).then((granted) => {
            if (!granted) return;
            starts.set(pool, (starts.get(pool) ?? 0) + 1);
            wait(pool);
          });
        for (const name of names) wait(name);
        const rounds = weights.reduce((sum, weight) => sum + weight, 0) * 3;
        for (let i = 0; i < rounds; i++) {
          slots.release();
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const [index, name] of names.entries()) {
          expect(Math.abs((starts.get(name) ?? 0) - 3 * (weights[index] ?? 0))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
