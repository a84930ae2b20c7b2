import { type Lane, type Layout, overlaps, rowBox, type Scale, xOf } from './layout.ts';
import { endOf, type PlacedBar, type RunStore } from './run-store.ts';

/** The way of a task from the run that was cut off to the next one, as a curve. All points are inside the picture. */
export interface Arrow {
  readonly from: Point;
  /** The points that the curve bends to. */
  readonly bends: readonly [Point, Point];
  readonly to: Point;
  /** Whether no node has claimed the task yet. */
  readonly waits: boolean;
  /** Whether the next run begins in the picture. */
  readonly hasHead: boolean;
}

type Point = readonly [x: number, y: number];

/** More would be a blot. */
const MOST = 500;
/** Arrows between the same rows that are closer than this cover each other, px. */
const GAP = 4;
const LEAST_BEND = 9;

/** The arrows of the handovers between these heights. One arrow stands for all that would cover each other. */
export function arrowsOf(
  store: RunStore,
  layout: Layout,
  scale: Scale,
  now: number,
  [top, bottom]: readonly [number, number],
): Arrow[] {
  const laneOf = new Map(layout.lanes.map((lane) => [lane.node, lane]));
  const inside = (x: number) => Math.max(scale.left, Math.min(scale.right, x));
  const arrows = new Map<string, Arrow>();
  for (const bar of store.handovers) {
    if (arrows.size >= MOST) break;
    const next = bar.task.bars[bar.index + 1];
    const [left, claimed] = [endOf(bar), next?.from ?? now];
    const [lane, nextLane] = [laneOf.get(bar.node), next && laneOf.get(next.node)];
    if (!lane || !overlaps({ from: left, to: claimed }, scale.from, scale.to)) continue;
    const y1 = middleOf(lane, bar);
    const y2 = next && nextLane ? middleOf(nextLane, next) : y1;
    if (Math.max(y1, y2) < top || Math.min(y1, y2) > bottom) continue;
    const [x1, x2] = [inside(xOf(scale, left)), inside(xOf(scale, claimed))];
    const bend = Math.max(LEAST_BEND, (x2 - x1) / 2);
    arrows.set(`${Math.round(x1 / GAP)} ${y1} ${y2}`, {
      from: [x1, y1],
      bends: [
        [inside(x1 + bend), y1],
        [inside(x2 - bend), y2],
      ],
      to: [x2, y2],
      waits: next === undefined,
      hasHead: next !== undefined && claimed <= scale.to,
    });
  }
  return [...arrows.values()];
}

function middleOf(lane: Lane, bar: PlacedBar): number {
  const { y, height } = rowBox(lane, bar.row);
  return y + height / 2;
}
