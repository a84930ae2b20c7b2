import { describe, expect, it } from 'vitest';
import { type Sample, trends } from './growth.ts';

const series = (value: (i: number) => number): Sample[] =>
  Array.from({ length: 200 }, (_, i) => ({ at: i * 18, values: { x: value(i) } }));
const noise = (i: number) => ((i * 7_919) % 101) / 101 - 0.5;

describe('growth during a long run', () => {
  it.each([
    ['is steady', () => 100, false],
    ['is noise', (i: number) => 100 + 30 * noise(i), false],
    ['grows only while it warms up', (i: number) => Math.min(i, 45) + 100 + noise(i), false],
    ['has one wild value', (i: number) => (i === 150 ? 10_000 : 100 + noise(i)), false],
    ['shrinks', (i: number) => 300 - i + noise(i), false],
    ['grows by half per hour', (i: number) => 100 + i / 4 + noise(i), true],
    ['grows in steps', (i: number) => 100 + Math.floor(i / 20) * 10 + noise(i), true],
  ])('%s', (_, value, grows) => {
    expect(trends(series(value))).toMatchObject([{ series: 'x', grows }]);
  });

  it('reports no growth from a handful of samples', () => {
    expect(trends(series((i) => i).slice(0, 8))[0]?.grows).toBe(false);
  });
});
