import type { Bar, DeadPeriod, TaskRuns } from '../timeline.ts';

/** Positions on the timeline; all lengths in CSS pixels, times in ms. */
export interface Layout {
  readonly lanes: readonly Lane[];
  readonly bars: readonly PlacedBar[];
  readonly arrows: readonly PlacedArrow[];
  readonly height: number;
}

export interface Lane {
  readonly node: string;
  readonly y: number;
  readonly height: number;
  readonly dead: readonly DeadPeriod[];
}

export interface PlacedBar extends Bar {
  readonly task: TaskRuns;
  readonly y: number;
}

export interface PlacedArrow {
  readonly task: TaskRuns;
  readonly reason: string;
  readonly at: number;
  readonly fromY: number;
  /** Null until a node claims the task. */
  readonly to: { readonly y: number; readonly at: number; readonly node: string } | null;
}

export const AXIS = 22;
export const BAR = 11;
const ROW = BAR + 3;
const PADDING = 5;
/** With more lanes than this, only nodes that ran tasks or died are shown. */
const MOST_LANES = 30;

/** Lays out one lane per node, with one row per task that ran at the same time since `from`. */
export function layOut(
  nodes: readonly string[],
  runs: Iterable<TaskRuns>,
  dead: readonly DeadPeriod[],
  from: number,
  now: number,
): Layout {
  const tasks = [...runs];
  const seen = tasks
    .flatMap((task) => task.bars.map((bar) => ({ ...bar, task })))
    .filter(({ to }) => (to ?? now) >= from)
    .sort((a, b) => a.from - b.from);
  const active = new Set([
    ...seen.map(({ node }) => node),
    ...dead.filter(({ to }) => to === null || to > from).map(({ node }) => node),
  ]);
  const names = [...new Set([...nodes, ...active])]
    .filter((node) => nodes.length <= MOST_LANES || active.has(node))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

  const lanes: Lane[] = [];
  const bars: PlacedBar[] = [];
  let y = AXIS;
  for (const node of names) {
    const rowEnds: number[] = [];
    for (const bar of seen.filter((one) => one.node === node)) {
      const free = rowEnds.findIndex((end) => end <= bar.from);
      const row = free < 0 ? rowEnds.length : free;
      rowEnds[row] = bar.to ?? Number.POSITIVE_INFINITY;
      bars.push({ ...bar, y: y + PADDING + row * ROW });
    }
    const height = Math.max(1, rowEnds.length) * ROW + 2 * PADDING;
    lanes.push({ node, y, height, dead: dead.filter((period) => period.node === node) });
    y += height;
  }
  return { lanes, bars, arrows: arrowsOf(tasks, bars, from), height: y + 4 };
}

function arrowsOf(tasks: readonly TaskRuns[], bars: readonly PlacedBar[], from: number): PlacedArrow[] {
  const middle = (taskId: string, test: (bar: PlacedBar) => boolean) => {
    const bar = bars.find((one) => one.task.id === taskId && test(one));
    return bar && bar.y + BAR / 2;
  };
  return tasks.flatMap((task) =>
    task.arrows.flatMap((arrow) => {
      if ((arrow.claimedAt ?? arrow.at) < from) return [];
      const fromY = middle(task.id, (bar) => bar.node === arrow.from && bar.to === arrow.at);
      const toY = middle(task.id, (bar) => bar.node === arrow.to && bar.from === arrow.claimedAt);
      if (fromY === undefined) return [];
      const to =
        toY === undefined || arrow.claimedAt === null || arrow.to === null
          ? null
          : { y: toY, at: arrow.claimedAt, node: arrow.to };
      return [{ task, reason: arrow.reason, at: arrow.at, fromY, to }];
    }),
  );
}

/** Round times for the axis: about one every 90 px. */
export function ticks(from: number, to: number, width: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800].map((seconds) => seconds * 1_000);
  const wanted = ((to - from) * 90) / Math.max(90, width);
  const step = steps.find((one) => one >= wanted) ?? 3_600_000;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
}
