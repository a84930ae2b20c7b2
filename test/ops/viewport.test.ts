import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pan, periodOf, reveal, select, type Viewport, zoom } from '../../src/ops/dashboard/page/viewport.ts';

const NOW = 1_000_000_000;
const FOLLOWING: Viewport = { span: 300_000, end: null };

describe('the view of the timeline', () => {
  it('follows the present until it is moved, and again when it is moved back', () => {
    const earlier = pan(FOLLOWING, -60_000, NOW);
    expect(periodOf(earlier, NOW)).toEqual({ from: NOW - 360_000, to: NOW - 60_000 });
    // Time goes by, and the view stays.
    expect(periodOf(earlier, NOW + 5_000)).toEqual(periodOf(earlier, NOW));
    expect(pan(earlier, 60_000, NOW)).toEqual(FOLLOWING);
    expect(pan(FOLLOWING, 60_000, NOW)).toEqual(FOLLOWING);
  });

  it('keeps the moment under the pointer in its place while it is zoomed', () => {
    const fixed = fc.record({
      span: fc.integer({ min: 10_000, max: 3_600_000 }),
      back: fc.integer({ min: 3_600_000, max: 86_400_000 }),
      share: fc.float({ min: 0, max: 1, noNaN: true }),
      factor: fc.constantFrom(0.5, 0.8, 1.25, 2),
    });
    fc.assert(
      fc.property(fixed, ({ span, back, share, factor }) => {
        const view = { span, end: NOW - back };
        const at = periodOf(view, NOW).from + share * span;
        const zoomed = periodOf(zoom(view, factor, at, NOW), NOW);
        expect((at - zoomed.from) / (zoomed.to - zoomed.from)).toBeCloseTo(share, 6);
      }),
    );
  });

  it('stays paused when it is zoomed out beyond the present, and never shows the future', () => {
    const paused: Viewport = { span: 60_000, end: NOW };
    expect(zoom(paused, 10, NOW - 30_000, NOW)).toEqual({ span: 600_000, end: NOW });
    expect(zoom(FOLLOWING, 2, NOW, NOW)).toEqual({ span: 600_000, end: null });
  });

  it('shows exactly the selected period, and moves only as far as needed to show a moment', () => {
    expect(periodOf(select(NOW - 50_000, NOW - 20_000, NOW), NOW)).toEqual({ from: NOW - 50_000, to: NOW - 20_000 });
    const view = { span: 100_000, end: NOW - 500_000 };
    expect(reveal(view, NOW - 550_000, NOW)).toBe(view);
    expect(periodOf(reveal(view, NOW - 700_000, NOW), NOW).from).toBe(NOW - 705_000);
    expect(periodOf(reveal(view, NOW - 400_000, NOW), NOW).to).toBe(NOW - 395_000);
  });
});
