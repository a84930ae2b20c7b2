import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TaskRef } from '../../../domain/task.ts';
import type { DeadPeriod } from '../timeline.ts';
import { moment, ticks, zoneAt } from './axis.ts';
import { drawAxis, drawLanes } from './draw-timeline.ts';
import { barBox, barsAt, type Layout, layOut, rowBox, type Scale } from './layout.ts';
import { useNow } from './mesh-state.ts';
import { type Palette, readPalette, watchTheme } from './palette.ts';
import type { HistoryState, RunHistory } from './run-history.ts';
import { barsBetween, type PlacedBar, type RunStore } from './run-store.ts';
import { RunTable } from './run-table.tsx';
import { runWords } from './run-words.ts';
import { TimelineControls } from './timeline-controls.tsx';
import { useGestures } from './timeline-gestures.ts';
import { TimelineLane } from './timeline-lane.tsx';
import { useTitle } from './use-title.ts';
import { periodOf, reveal, type Viewport, zoom } from './viewport.ts';
import { span as spanWords } from './words.ts';

const AXIS = 22;
/** Interval between two pictures of a view that follows the present, ms. */
const FASTEST_TICK_MS = 100;
const SLOWEST_TICK_MS = 1_000;
/** Room at the right for the end of the last bar, px. */
const MARGIN = 10;

/** Points to a run; the run itself is replaced when it changes. */
interface Choice extends TaskRef {
  readonly index: number;
}

interface TimelineProps {
  readonly nodes: readonly string[];
  readonly runs: RunStore;
  /** Of `runs`: its content changes, not the object. */
  readonly version: number;
  readonly history: RunHistory;
  readonly dead: readonly DeadPeriod[];
  readonly clockOffset: number;
}

/** One lane per node: tasks as bars over time, handovers as arrows, dead periods hatched. */
export function Timeline({ nodes, runs, version, history, dead, clockOffset }: TimelineProps) {
  const names = nodes.join('\n');
  // The page renders with every heartbeat, which changes nothing here.
  return useMemo(
    () => (
      <TimelinePanel {...{ nodes: names === '' ? [] : names.split('\n'), runs, version, history, dead, clockOffset }} />
    ),
    [names, runs, version, history, dead, clockOffset],
  );
}

function TimelinePanel({ nodes, runs, history, dead, clockOffset }: TimelineProps) {
  const [view, setView] = useState<Viewport>({ span: 300_000, end: null });
  const [asTable, setAsTable] = useState(false);
  const [choice, setChoice] = useState<Choice>();
  const [hover, setHover] = useState<readonly PlacedBar[]>([]);
  const scroller = useRef<HTMLDivElement>(null);
  const lanesCanvas = useRef<HTMLCanvasElement>(null);
  const axisCanvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(scroller);
  const palette = usePalette(scroller);
  useNow(SLOWEST_TICK_MS);
  const nowIs = () => Date.now() + clockOffset;
  const now = nowIs();
  const { from, to } = periodOf(view, now);
  const left = size.width < 600 ? 84 : 140;
  const scaleOf = (shown: Viewport): Scale => ({ ...periodOf(shown, nowIs()), left, right: size.width - MARGIN });
  const layout = layOut(nodes, runs, dead, from, to);
  const selected = choice && runs.barsOf(choice)[choice.index];
  const choose = (bar: PlacedBar | undefined) => {
    // The text is about the run that was chosen last, even if the pointer still rests on another.
    setHover([]);
    setChoice(bar && { id: bar.task.id, pool: bar.task.pool, index: bar.index });
    if (bar && (bar.from > to || (bar.to ?? now) < from)) setView(reveal(view, bar.from, now));
  };

  /** Draws a view that may be another than the one of the last render: while it is dragged, only the picture changes. */
  const draw = (shown: Viewport) => {
    history.want(periodOf(shown, nowIs()).from - shown.span);
    const [lanes, axis, frame] = [lanesCanvas.current, axisCanvas.current, scroller.current];
    if (!lanes || !axis || !frame || !palette || size.width === 0) return;
    const scale = scaleOf(shown);
    const height = Math.min(frame.clientHeight, layout.height);
    const scene = {
      ...{
        layout,
        store: runs,
        scale,
        palette,
        selected,
        height,
        now: nowIs(),
        top: frame.scrollTop,
        width: size.width,
      },
      ticks: ticks(scale.from, scale.to, scale.right - scale.left),
    };
    drawLanes(contextOf(lanes, size.width, height), scene);
    drawAxis(contextOf(axis, size.width, AXIS), scene, AXIS);
  };
  const gestures = useGestures({
    view,
    draw,
    scaleOf,
    now: nowIs,
    onView: setView,
    barsAt: (x, y, shown) => barsAt(layout, runs, scaleOf(shown), x, y),
    onHover: (bars) => setHover((known) => (bars[0] === known[0] && bars.length === known.length ? known : bars)),
  });
  useLayoutEffect(() => gestures.redraw());
  useEffect(() => {
    if (view.end !== null || asTable) return;
    const everyMs = Math.max(FASTEST_TICK_MS, view.span / Math.max(1, size.width));
    if (everyMs >= SLOWEST_TICK_MS) return;
    const timer = setInterval(() => gestures.redraw(), everyMs);
    return () => clearInterval(timer);
  }, [view, asTable, size.width, gestures]);
  useEffect(() => {
    const frame = scroller.current;
    frame?.addEventListener('wheel', gestures.onWheel, { passive: false });
    return () => frame?.removeEventListener('wheel', gestures.onWheel);
  }, [gestures]);

  const bars = [...runs.nodes].flatMap((node) => runs.rowsOf(node).flatMap((row) => barsBetween(row, from, to)));
  const shownBar = hover[0] ?? selected;
  const title = useTitle(shownBar?.task);
  const words = (bar: PlacedBar) => runWords(bar, now, bar === shownBar ? title : undefined);
  return (
    <section class="panel timeline" aria-labelledby="timeline-title">
      <header>
        <h2 id="timeline-title">Timeline</h2>
        <Legend />
        <TimelineControls view={view} now={now} asTable={asTable} onView={setView} onTable={setAsTable} />
      </header>
      {asTable && <RunTable bars={bars} now={now} />}
      <div class="plot" hidden={asTable}>
        <canvas ref={axisCanvas} class="axis" {...gestures.onAxis} />
        <div class="lanes" ref={scroller} onScroll={gestures.redraw} {...gestures.onLanes}>
          <div class="lane-stack" style={{ height: `${layout.height}px` }}>
            <canvas ref={lanesCanvas} />
            {layout.lanes.map((lane) => (
              <TimelineLane
                key={lane.node}
                lane={lane}
                rows={runs.rowsOf(lane.node)}
                period={{ from, to }}
                now={now}
                selected={selected?.node === lane.node ? selected : undefined}
                words={words}
                onChoose={choose}
                onZoom={(factor) => setView(zoom(view, factor, selected?.from ?? (from + to) / 2, now))}
              />
            ))}
          </div>
        </div>
        {gestures.range && (
          <div class="range" style={{ left: `${gestures.range.x}px`, width: `${gestures.range.width}px` }} />
        )}
        {shownBar && (
          <Tip
            text={hover.length > 1 ? `${hover.length} runs here; click to zoom in` : words(shownBar)}
            place={placeOf(shownBar, layout, scaleOf(view), now, scroller.current?.scrollTop ?? 0)}
          />
        )}
        {layout.lanes.length === 0 && <p class="empty">No node is up. Start one: clawmesh node run</p>}
      </div>
      <p class="dim shown-period">
        {summary(bars, from, to, now)}
        {view.end === null ? '' : ' · paused'}
        {pastWords(history.state, from, now)}
      </p>
    </section>
  );
}

function summary(bars: readonly PlacedBar[], from: number, to: number, now: number): string {
  const handovers = bars.filter((bar) => bar.end === 'handover').length;
  const counts = `${counted(bars.length, 'run')}, ${counted(handovers, 'handover')}`;
  return `${counts} from ${moment(from, now)} to ${moment(to, now)} ${zoneAt(to)} (${spanWords(to - from)})`;
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** What the timeline can't show of the past. */
function pastWords({ reach, isLoading, end }: HistoryState, from: number, now: number): string {
  if (end === 'full' && from < reach) {
    return ` · this page holds no more tasks: those that ended before ${moment(reach, now)} are not shown`;
  }
  if (isLoading && from < reach) return ' · loading earlier runs…';
  return end === 'nothing' && from < now - 3_600_000
    ? ' · runs of removed tasks are not shown (see queue.retention)'
    : '';
}

interface Place {
  readonly top: number;
  /** Distance from the side that leaves more room for the text. */
  readonly side: { readonly left: string } | { readonly right: string };
}

/** Where the text about a bar goes; undefined if the bar is not in the picture. */
function placeOf(bar: PlacedBar, layout: Layout, scale: Scale, now: number, scrollTop: number): Place | undefined {
  const lane = layout.lanes.find(({ node }) => node === bar.node);
  if (!lane || bar.from > scale.to || (bar.to ?? now) < scale.from) return undefined;
  const { y, height } = rowBox(lane, bar.row);
  const { x1 } = barBox(scale, bar, now);
  const isLeft = x1 < (scale.left + scale.right) / 2;
  const side = isLeft ? { left: `${x1}px` } : { right: `${Math.max(0, scale.right - x1)}px` };
  return { top: AXIS + y + height + 4 - scrollTop, side };
}

/** The text beside a bar. Screen readers get it from the lane. */
function Tip({ text, place }: { text: string; place: Place | undefined }) {
  if (!place || place.top < AXIS) return null;
  return (
    <div class="tip" aria-hidden="true" style={{ top: `${place.top}px`, ...place.side }}>
      {text}
    </div>
  );
}

function Legend() {
  const kinds = [
    ['claimed', 'running'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['handover', 'handed over'],
    ['cancelled', 'cancelled'],
    ['dead', 'node dead'],
  ] as const;
  return (
    <ul class="legend">
      {kinds.map(([end, label]) => (
        <li key={end}>
          <i class={`swatch ${end}`} /> {label}
        </li>
      ))}
    </ul>
  );
}

/** The context of a canvas of this size in CSS pixels, as sharp as the screen. */
function contextOf(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  // Setting a size clears the canvas and takes its time, even if the size is the same.
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser has no canvas');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function useSize(ref: { readonly current: HTMLElement | null }): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}

function usePalette(inside: { readonly current: HTMLElement | null }): Palette | undefined {
  const [palette, setPalette] = useState<Palette>();
  useLayoutEffect(() => {
    const read = () => inside.current && setPalette(readPalette(inside.current));
    read();
    return watchTheme(read);
  }, [inside]);
  return palette;
}
