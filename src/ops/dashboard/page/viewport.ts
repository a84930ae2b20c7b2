/** The period that the timeline shows; times in ms. */
export interface Viewport {
  readonly span: number;
  /** The last moment; null while it is now. */
  readonly end: number | null;
}

/** The periods to choose from. */
export const SPANS = [
  ['1 min', 60_000],
  ['5 min', 300_000],
  ['15 min', 900_000],
  ['1 h', 3_600_000],
  ['6 h', 21_600_000],
  ['1 day', 86_400_000],
  ['7 days', 604_800_000],
] as const;

const SHORTEST = 1_000;
const LONGEST = 31 * 86_400_000;

export function periodOf({ span, end }: Viewport, now: number): { from: number; to: number } {
  const to = end ?? now;
  return { from: to - span, to };
}

/** The view, moved by this time; at the present it follows again. */
export function pan(view: Viewport, byMs: number, now: number): Viewport {
  return viewUntil(view.span, (view.end ?? now) + byMs, now, true);
}

/** The view with `factor` times the span, and the same moment `at` in the same place. */
export function zoom(view: Viewport, factor: number, at: number, now: number): Viewport {
  const { to } = periodOf(view, now);
  const span = within(view.span * factor);
  return viewUntil(span, at + ((to - at) * span) / view.span, now, view.end === null);
}

/** The view of exactly this period, or the shortest around its beginning. */
export function select(from: number, to: number, now: number): Viewport {
  const span = within(to - from);
  return viewUntil(span, from + span, now);
}

/** The same view, moved as little as possible so that it shows this moment. */
export function reveal(view: Viewport, at: number, now: number): Viewport {
  const { from, to } = periodOf(view, now);
  const margin = view.span * 0.05;
  if (at < from) return viewUntil(view.span, at - margin + view.span, now);
  return at > to ? viewUntil(view.span, at + margin, now) : view;
}

/** @param follows whether a view that reaches the present follows it from then on */
function viewUntil(span: number, end: number, now: number, follows = false): Viewport {
  return { span, end: follows && end >= now ? null : Math.min(end, now) };
}

function within(span: number): number {
  return Math.max(SHORTEST, Math.min(LONGEST, span));
}
