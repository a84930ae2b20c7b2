import type { BarEnd, DeadPeriod } from '../timeline.ts';
import { barsBetween, endOf, type PlacedBar, type RunStore } from './run-store.ts';

/** Positions on the timeline; all lengths in CSS pixels, times in ms. */
export interface Layout {
  readonly lanes: readonly Lane[];
  readonly height: number;
}

export interface Lane {
  readonly node: string;
  readonly y: number;
  readonly height: number;
  /** Distance of two rows. */
  readonly row: number;
  readonly dead: readonly DeadPeriod[];
}

/** Maps times to the horizontal positions between `left` and `right`. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly left: number;
  readonly right: number;
}

const ROW = 14;
/** A lane with many rows gets thinner ones, so that it stays this high. */
const MOST_ROWS_HEIGHT = 112;
const THINNEST_ROW = 3;
const PADDING = 5;
/** A bar never seems to be nothing. */
const THINNEST_BAR = 3;

/**
 * One lane per node, and for each node that was there between these times but is not one of them any more. As many rows
 * as the node has in the store: a lane keeps its height while the view moves.
 */
export function layOut(
  nodes: readonly string[],
  store: RunStore,
  dead: readonly DeadPeriod[],
  from: number,
  to: number,
): Layout {
  const present = new Set(nodes);
  const ran = [...store.nodes].filter((node) =>
    store.rowsOf(node).some((row) => barsBetween(row, from, to).length > 0),
  );
  const died = dead.filter((period) => overlaps(period, from, to)).map(({ node }) => node);
  const gone = [...new Set([...ran, ...died])].filter((node) => !present.has(node));
  const lanes: Lane[] = [];
  let y = 0;
  // Nodes that are gone come last, so that the others stay in place while the view moves.
  for (const node of [...byName(nodes), ...byName(gone)]) {
    const rows = Math.max(1, store.rowsOf(node).length);
    const row = Math.max(THINNEST_ROW, Math.min(ROW, MOST_ROWS_HEIGHT / rows));
    const height = rows * row + 2 * PADDING;
    lanes.push({ node, y, height, row, dead: dead.filter((period) => period.node === node) });
    y += height;
  }
  return { lanes, height: y };
}

/** Compared with numbers in mind: mac-2 comes before mac-10. */
const NAMES = new Intl.Collator('en', { numeric: true });

function byName(names: readonly string[]): string[] {
  return names.toSorted(NAMES.compare);
}

export function overlaps(period: { from: number; to: number | null }, from: number, to: number): boolean {
  return period.from <= to && (period.to ?? Number.POSITIVE_INFINITY) >= from;
}

export function xOf({ from, to, left, right }: Scale, time: number): number {
  return left + ((time - from) / (to - from)) * (right - left);
}

export function timeOf({ from, to, left, right }: Scale, x: number): number {
  return from + ((x - left) / (right - left)) * (to - from);
}

/** The lanes that touch this part of the height. */
export function lanesBetween({ lanes }: Layout, top: number, bottom: number): readonly Lane[] {
  return lanes.filter(({ y, height }) => y + height >= top && y <= bottom);
}

/** The top of a row, and the height of its bars. */
export function rowBox(lane: Lane, row: number): { y: number; height: number } {
  return { y: lane.y + PADDING + row * lane.row, height: lane.row > 6 ? lane.row - 3 : Math.max(2, lane.row - 1) };
}

/** The left and right end of a bar, inside the picture. A bar that runs ends now. */
export function barBox(scale: Scale, bar: PlacedBar, now: number): { x1: number; x2: number } {
  const x1 = Math.max(scale.left, xOf(scale, bar.from));
  const x2 = Math.min(scale.right, xOf(scale, Math.min(endOf(bar), now)));
  return { x1, x2: Math.max(x2, x1 + THINNEST_BAR) };
}

/** What a pointer at this place points to: the bars of one row within a pixel or two. */
export function barsAt(layout: Layout, store: RunStore, scale: Scale, x: number, y: number): PlacedBar[] {
  const lane = layout.lanes.find((one) => y >= one.y && y < one.y + one.height);
  if (!lane || x < scale.left) return [];
  const row = store.rowsOf(lane.node)[Math.floor((y - lane.y - PADDING) / lane.row)] ?? [];
  const [exact] = barsBetween(row, timeOf(scale, x), timeOf(scale, x));
  if (exact && xOf(scale, endOf(exact)) - xOf(scale, exact.from) >= THINNEST_BAR) return [exact];
  return barsBetween(row, timeOf(scale, x - THINNEST_BAR), timeOf(scale, x + 1));
}

/** Kinds of bars, the most important first: a bar must not be hidden by a less important one. */
export const IMPORTANCE = [
  'failed',
  'handover',
  'retry',
  'cancelled',
  'claimed',
  'completed',
] as const satisfies readonly BarEnd[];

/**
 * Calls `draw` for each bar of a row, the newest first. Bars narrower than a pixel are merged with their neighbours,
 * pixel by pixel, to blocks of the most important end in them, without a bar. So a row needs at most one block per pixel.
 */
export function eachBar(
  bars: readonly PlacedBar[],
  scale: Scale,
  now: number,
  draw: (x: number, width: number, end: BarEnd, bar: PlacedBar | null) => void,
): void {
  let pixel: { readonly x: number; rank: number } | undefined;
  let block: { left: number; readonly right: number; readonly rank: number } | undefined;
  const closeBlock = () => {
    if (block) draw(block.left, Math.max(THINNEST_BAR, block.right - block.left), endOfRank(block.rank), null);
    block = undefined;
  };
  const closePixel = () => {
    if (!pixel) return;
    if (block?.rank === pixel.rank && pixel.x >= block.left - 1) block.left = pixel.x;
    else {
      closeBlock();
      block = { left: pixel.x, right: pixel.x + 1, rank: pixel.rank };
    }
    pixel = undefined;
  };
  for (const bar of bars) {
    const x1 = xOf(scale, bar.from);
    if (xOf(scale, Math.min(endOf(bar), now)) - x1 >= 1) {
      closePixel();
      closeBlock();
      const box = barBox(scale, bar, now);
      draw(box.x1, box.x2 - box.x1, bar.end, bar);
      continue;
    }
    const x = Math.max(scale.left, Math.floor(x1));
    const rank = IMPORTANCE.indexOf(bar.end);
    if (pixel?.x !== x) closePixel();
    pixel = { x, rank: Math.min(rank, pixel?.rank ?? rank) };
  }
  closePixel();
  closeBlock();
}

function endOfRank(rank: number): BarEnd {
  return IMPORTANCE[rank] ?? 'completed';
}
