import type { BarEnd, DeadPeriod } from '../timeline.ts';
import { arrowsOf } from './arrows.ts';
import type { Tick } from './axis.ts';
import {
  barBox,
  eachBar,
  IMPORTANCE,
  type Lane,
  type Layout,
  lanesBetween,
  overlaps,
  rowBox,
  type Scale,
  xOf,
} from './layout.ts';
import { BAR_COLORS, type Palette } from './palette.ts';
import { barsBetween, type PlacedBar, type RunStore } from './run-store.ts';

/** What is to be drawn. */
export interface Scene {
  readonly layout: Layout;
  readonly store: RunStore;
  readonly scale: Scale;
  readonly ticks: readonly Tick[];
  readonly now: number;
  readonly selected: PlacedBar | undefined;
  readonly palette: Palette;
  /** The visible part of the lanes. */
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A mark in a bar, for those who do not see its colour, needs this width, px. */
const MARK_ROOM = 12;
const LABEL_FONT = '600 11px system-ui, sans-serif';
const TICK_FONT = '10.5px system-ui, sans-serif';

/** Draws the visible lanes. */
export function drawLanes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, scale, width, height, top, palette, now } = scene;
  context.clearRect(0, 0, width, height);
  context.save();
  context.translate(0, -top);
  const lanes = lanesBetween(layout, top, top + height);
  for (const [index, lane] of layout.lanes.entries()) {
    if (index % 2 === 0 || !lanes.includes(lane)) continue;
    context.fillStyle = palette.soft;
    context.fillRect(0, lane.y, width, lane.height);
  }
  context.fillStyle = palette.line;
  for (const { time } of scene.ticks) context.fillRect(Math.round(xOf(scale, time)), top, 1, height);
  context.beginPath();
  context.rect(scale.left, top, scale.right - scale.left, height);
  context.clip();
  for (const lane of lanes) for (const period of lane.dead) drawDeadPeriod(context, scene, lane, period);
  drawBars(context, scene, lanes);
  drawArrows(context, scene);
  drawSelection(context, scene);
  if (now <= scale.to + 1) {
    context.strokeStyle = palette.accent;
    context.setLineDash([2, 3]);
    line(context, [xOf(scale, now) - 0.5, top], [xOf(scale, now) - 0.5, top + height]);
  }
  context.restore();
}

/** Draws the times above the lanes. */
export function drawAxis(context: CanvasRenderingContext2D, scene: Scene, height: number): void {
  const { scale, palette, width } = scene;
  context.clearRect(0, 0, width, height);
  context.font = TICK_FONT;
  context.textAlign = 'center';
  for (const { time, label } of scene.ticks) {
    const x = xOf(scale, time);
    const half = context.measureText(label).width / 2;
    context.fillStyle = palette.dim;
    context.fillText(label, Math.max(scale.left + half, Math.min(width - half - 1, x)), height - 8);
    context.fillStyle = palette.line;
    context.fillRect(Math.round(x), height - 5, 1, 5);
  }
}

function drawBars(context: CanvasRenderingContext2D, scene: Scene, lanes: readonly Lane[]): void {
  const { store, scale, now, palette } = scene;
  // By colour: changing it costs more than a rectangle.
  const boxes = new Map<BarEnd, number[]>();
  const marks: { end: BarEnd; x: number; y: number; width: number; height: number }[] = [];
  for (const lane of lanes) {
    for (const [index, row] of store.rowsOf(lane.node).entries()) {
      const { y, height } = rowBox(lane, index);
      eachBar(barsBetween(row, scale.from, scale.to), scale, now, (x, width, end, bar) => {
        const list = boxes.get(end) ?? [];
        list.push(x, y, width, height);
        boxes.set(end, list);
        if (bar && width >= MARK_ROOM && height >= 8) marks.push({ end, x, y, width, height });
      });
    }
  }
  for (const end of IMPORTANCE.toReversed()) {
    const list = boxes.get(end) ?? [];
    context.fillStyle = palette[BAR_COLORS[end]];
    context.globalAlpha = end === 'retry' ? 0.7 : 1;
    for (let i = 0; i < list.length; i += 4) {
      context.fillRect(list[i] ?? 0, list[i + 1] ?? 0, list[i + 2] ?? 0, list[i + 3] ?? 0);
    }
  }
  context.globalAlpha = 1;
  context.strokeStyle = palette.panel;
  context.lineWidth = 1.5;
  for (const mark of marks) drawMark(context, mark);
}

/** How a bar ended, as a shape: a cross for a failure, a cut for a handover, a line for what was cancelled. */
function drawMark(
  context: CanvasRenderingContext2D,
  { end, x, y, width, height }: { end: BarEnd; x: number; y: number; width: number; height: number },
): void {
  const right = x + width;
  const [upper, lower] = [y + 3, y + height - 3];
  if (end === 'failed' || end === 'retry') {
    line(context, [right - 9, upper], [right - 4, lower]);
    line(context, [right - 9, lower], [right - 4, upper]);
  } else if (end === 'handover') {
    line(context, [right - 7, y + height], [right - 2, y]);
  } else if (end === 'cancelled') {
    line(context, [right - 9, y + height / 2], [right - 4, y + height / 2]);
  }
}

function drawArrows(context: CanvasRenderingContext2D, scene: Scene): void {
  const { store, scale, layout, palette, top, height, now } = scene;
  context.strokeStyle = palette.arrow;
  context.fillStyle = palette.arrow;
  context.lineWidth = 1.8;
  for (const { from, bends, to, waits, hasHead } of arrowsOf(store, layout, scale, now, [top, top + height])) {
    context.setLineDash(waits ? [3, 4] : []);
    context.beginPath();
    context.moveTo(...from);
    context.bezierCurveTo(...bends[0], ...bends[1], ...to);
    context.stroke();
    if (hasHead) drawHead(context, ...to);
  }
  context.setLineDash([]);
}

function drawHead(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.beginPath();
  context.moveTo(x + 1, y);
  context.lineTo(x - 7, y - 4);
  context.lineTo(x - 7, y + 4);
  context.fill();
}

function drawDeadPeriod(context: CanvasRenderingContext2D, scene: Scene, lane: Lane, period: DeadPeriod): void {
  const { scale, palette, now } = scene;
  if (!overlaps(period, scale.from, scale.to)) return;
  const x1 = Math.max(scale.left, xOf(scale, period.from));
  const x2 = Math.min(scale.right, Math.max(x1 + 2, xOf(scale, period.to ?? now)));
  context.save();
  context.beginPath();
  context.rect(x1, lane.y, x2 - x1, lane.height);
  context.clip();
  context.fillStyle = palette.hatch;
  context.globalAlpha = 0.1;
  context.fillRect(x1, lane.y, x2 - x1, lane.height);
  context.globalAlpha = 0.45;
  context.strokeStyle = palette.hatch;
  context.lineWidth = 2;
  context.beginPath();
  for (let x = x1 - lane.height; x < x2; x += 10) {
    context.moveTo(x, lane.y + lane.height);
    context.lineTo(x + lane.height, lane.y);
  }
  context.stroke();
  context.globalAlpha = 1;
  if (x2 - x1 > 110) {
    context.font = LABEL_FONT;
    context.textAlign = 'right';
    context.fillStyle = palette['failed-text'];
    context.fillText(`dead (${period.reason})`, x2 - 6, lane.y + lane.height - 6);
  }
  context.restore();
}

function drawSelection(context: CanvasRenderingContext2D, { selected, layout, scale, palette, now }: Scene): void {
  const lane = selected && layout.lanes.find(({ node }) => node === selected.node);
  if (!selected || !lane || !overlaps(selected, scale.from, scale.to)) return;
  const { y, height } = rowBox(lane, selected.row);
  const { x1, x2 } = barBox(scale, selected, now);
  context.strokeStyle = palette.ink;
  context.lineWidth = 2;
  context.strokeRect(x1 - 1, y - 1, x2 - x1 + 2, height + 2);
}

function line(context: CanvasRenderingContext2D, from: readonly [number, number], to: readonly [number, number]): void {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}
