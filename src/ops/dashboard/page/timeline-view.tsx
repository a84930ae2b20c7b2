import { useEffect, useRef, useState } from 'preact/hooks';
import type { DeadPeriod, TaskRuns } from '../timeline.ts';
import { AXIS, BAR, layOut, type PlacedArrow, type PlacedBar, ticks } from './layout.ts';
import { useNow } from './mesh-state.ts';
import { clock, short, span } from './words.ts';

/** Half the width of a time label, px; keeps the last one inside the picture. */
const HALF_LABEL = 26;
const WINDOWS = [
  ['1 min', 60_000],
  ['5 min', 300_000],
  ['15 min', 900_000],
  ['1 h', 3_600_000],
] as const;

const END_WORDS: Readonly<Record<string, string>> = {
  claimed: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  retry: 'failed, will be retried',
  handover: 'interrupted, handed over',
};

/** One lane per node: tasks as bars over time, handovers as arrows, dead periods shaded. */
export function Timeline(props: {
  nodes: readonly string[];
  runs: ReadonlyMap<string, TaskRuns>;
  dead: readonly DeadPeriod[];
  clockOffset: number;
}) {
  const { nodes, runs, dead, clockOffset } = props;
  const [windowMs, setWindow] = useState<number>(300_000);
  const [selected, setSelected] = useState<string>();
  const [frame, width] = useWidth();
  const now = useNow(windowMs <= 60_000 ? 250 : 1_000) + clockOffset;
  const from = now - windowMs;
  const layout = layOut(nodes, runs.values(), dead, from, now);
  const left = width < 600 ? 74 : 130;
  const x = (time: number) => left + ((Math.max(from, Math.min(now, time)) - from) / windowMs) * (width - left - 10);
  const shown = layout.bars.filter((bar) => (bar.to ?? now) >= from);
  const keyOf = (bar: PlacedBar) => `${bar.task.id} ${bar.from}`;
  const current = shown.find((bar) => keyOf(bar) === selected);

  const onKey = (event: KeyboardEvent) => {
    const index = current ? shown.indexOf(current) : -1;
    const sorted = shown;
    const moves: Record<string, number> = {
      ArrowRight: index + 1,
      ArrowLeft: index < 0 ? sorted.length - 1 : index - 1,
      Home: 0,
      End: sorted.length - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      const bar = sorted[Math.max(0, Math.min(sorted.length - 1, target))];
      setSelected(bar && keyOf(bar));
      event.preventDefault();
    } else if (event.key === 'Enter' && current) location.hash = `/task/${current.task.id}`;
    else if (event.key === 'Escape') setSelected(undefined);
  };

  return (
    <section class="panel timeline" aria-labelledby="timeline-title">
      <header>
        <h2 id="timeline-title">Timeline</h2>
        <Legend />
        <fieldset class="choice" aria-label="Time range">
          {WINDOWS.map(([label, ms]) => (
            <button type="button" key={label} aria-pressed={ms === windowMs} onClick={() => setWindow(ms)}>
              {label}
            </button>
          ))}
        </fieldset>
      </header>
      <div
        class="lanes"
        ref={frame}
        onKeyDown={onKey}
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: one tab stop; the arrow keys move between the bars
        tabIndex={0}
        aria-label="Runs by node; the arrow keys select a run, Enter opens its task"
      >
        <svg width={width} height={layout.height} aria-hidden="true" data-arrows={layout.arrows.length}>
          <Patterns />
          {ticks(from, now, width - left).map((time) => (
            <g key={time} class="tick">
              <line x1={x(time)} x2={x(time)} y1={AXIS - 4} y2={layout.height} />
              <text x={Math.min(x(time), width - HALF_LABEL)} y={AXIS - 8} text-anchor="middle">
                {clock(time)}
              </text>
            </g>
          ))}
          {layout.lanes.map(({ node, y, height, dead: periods }, index) => (
            <g key={node} class={`lane ${index % 2 ? 'odd' : ''}`} data-node={node}>
              <rect class="ground" x={0} y={y} width={width} height={height} />
              <text x={8} y={y + height / 2 + 4}>
                {clip(node, left)}
                <title>{node}</title>
              </text>
              {periods
                .filter(({ to }) => (to ?? now) > from)
                .map((period) => (
                  <DeadTime
                    key={period.from}
                    period={period}
                    x1={x(period.from)}
                    x2={x(period.to ?? now)}
                    y={y}
                    height={height}
                  />
                ))}
            </g>
          ))}
          {shown.map((bar) => (
            <a key={keyOf(bar)} href={`#/task/${bar.task.id}`} tabindex={-1}>
              <rect
                class={`bar ${bar.end} ${bar === current ? 'selected' : ''}`}
                data-task={bar.task.id}
                x={x(bar.from)}
                y={bar.y}
                width={Math.max(3, x(bar.to ?? now) - x(bar.from))}
                height={BAR}
                rx={3}
              >
                <title>{barWords(bar, now)}</title>
              </rect>
            </a>
          ))}
          {layout.arrows.map((arrow) => (
            <Arrow key={`${arrow.task.id} ${arrow.at}`} arrow={arrow} x={x} now={now} />
          ))}
          <line class="now" x1={x(now)} x2={x(now)} y1={AXIS - 4} y2={layout.height} />
        </svg>
        {layout.lanes.length === 0 && <p class="empty">No node has been up yet. Start one: clawmesh node run</p>}
      </div>
      <p class="announce" aria-live="polite">
        {current ? barWords(current, now) : ''}
      </p>
    </section>
  );
}

function barWords({ task, node, attempt, from, to, end }: PlacedBar, now: number): string {
  return `${short(task.id)} “${task.title}” on ${node}, attempt ${attempt}: ${END_WORDS[end]}, ${span((to ?? now) - from)}, from ${clock(from)}`;
}

function Arrow({ arrow, x, now }: { arrow: PlacedArrow; x: (time: number) => number; now: number }) {
  const { at, fromY, to, reason, task } = arrow;
  const [x1, x2] = [x(at), x(to?.at ?? now)];
  const y2 = to?.y ?? fromY;
  const bend = Math.max(9, (x2 - x1) / 2);
  return (
    <path
      class={`arrow ${to ? '' : 'waits'}`}
      data-task={task.id}
      data-to={to?.node ?? ''}
      d={`M ${x1} ${fromY} C ${x1 + bend} ${fromY} ${x2 - bend} ${y2} ${x2 - 1} ${y2}`}
      marker-end={to ? 'url(#head)' : undefined}
    >
      <title>{`${short(task.id)}: ${reason}, ${to ? `claimed by ${to.node} after ${span(to.at - at)}` : 'waits for a node'}`}</title>
    </path>
  );
}

function DeadTime(props: { period: DeadPeriod; x1: number; x2: number; y: number; height: number }) {
  const { period, x1, x2, y, height } = props;
  const width = Math.max(2, x2 - x1);
  return (
    <g class="dead">
      <rect x={x1} y={y} width={width} height={height} />
      {width > 110 && (
        <text x={x2 - 6} y={y + height - 5} text-anchor="end">
          dead ({period.reason})
        </text>
      )}
    </g>
  );
}

function Patterns() {
  return (
    <defs>
      <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="hatch-ground" width="7" height="7" />
        <line class="hatch-line" x1="0" y1="0" x2="0" y2="7" />
      </pattern>
      <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5" orient="auto">
        <path class="head" d="M0 0 L8 4 L0 8 z" />
      </marker>
    </defs>
  );
}

function Legend() {
  return (
    <ul class="legend">
      {['claimed', 'completed', 'failed', 'handover'].map((end) => (
        <li key={end}>
          <i class={`swatch ${end}`} /> {end === 'handover' ? 'handed over' : END_WORDS[end]}
        </li>
      ))}
      <li>
        <i class="swatch dead" /> node dead
      </li>
    </ul>
  );
}

function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
}

function clip(text: string, left: number): string {
  const room = Math.floor((left - 14) / 7.2);
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
