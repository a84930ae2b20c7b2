import { moment } from './axis.ts';
import type { Lane } from './layout.ts';
import { overlaps } from './layout.ts';
import { open } from './open.ts';
import { taskLink } from './route.ts';
import { barsBetween, neighbour, type PlacedBar, type Row } from './run-store.ts';

/** The keys that select a run, or none. */
const MOVES = new Set(['ArrowRight', 'ArrowLeft', 'Home', 'End', 'Escape']);

/**
 * The part of a lane that is not drawn: its name, and one Tab stop. The arrow keys move between its runs, whose words a
 * screen reader gets as the options of a list.
 */
export function TimelineLane(props: {
  lane: Lane;
  rows: readonly Row[];
  period: { readonly from: number; readonly to: number };
  now: number;
  selected: PlacedBar | undefined;
  words: (bar: PlacedBar) => string;
  onChoose: (bar: PlacedBar | undefined) => void;
  onZoom: (factor: number) => void;
}) {
  const { lane, rows, period, now, selected, words, onChoose, onZoom } = props;
  const { node } = lane;
  const inView = () => rows.flatMap((row) => barsBetween(row, period.from, period.to)).sort((a, b) => a.from - b.from);
  const next = (key: string): PlacedBar | undefined => {
    if (key === 'ArrowRight') return selected ? (neighbour(rows, selected, 1) ?? selected) : inView()[0];
    if (key === 'ArrowLeft') return selected ? (neighbour(rows, selected, -1) ?? selected) : inView().at(-1);
    if (key === 'Home' || key === 'End') return inView().at(key === 'Home' ? 0 : -1);
    return undefined;
  };
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const { key } = event;
    const own = event.currentTarget.closest('.lane');
    if (MOVES.has(key)) onChoose(next(key));
    else if (key === 'ArrowDown') focusLane(own?.nextElementSibling);
    else if (key === 'ArrowUp') focusLane(own?.previousElementSibling);
    else if (key === '+' || key === '-') onZoom(key === '+' ? 0.5 : 2);
    else if (key === 'Enter' && selected) open(taskLink(selected.task.id));
    else return;
    event.preventDefault();
  };
  const option = `run-on-${node}`;
  return (
    <div class="lane" data-node={node} style={{ top: `${lane.y}px`, height: `${lane.height}px` }}>
      <span class="lane-name" title={node}>
        {node}
      </span>
      {/* The browser shows what has the focus, so the list has the size of its lane. */}
      <div
        class="lane-runs"
        role="listbox"
        tabIndex={0}
        aria-label={`${laneWords(lane, rows, period, now)}. The arrow keys select a run, Enter opens its task`}
        aria-activedescendant={selected ? option : undefined}
        onKeyDown={onKeyDown}
      >
        {selected && (
          <div role="option" id={option} class="unseen" aria-selected="true" tabIndex={-1}>
            {words(selected)}
          </div>
        )}
      </div>
    </div>
  );
}

function focusLane(lane: Element | null | undefined): void {
  lane?.querySelector<HTMLElement>('[role=listbox]')?.focus();
}

function laneWords(lane: Lane, rows: readonly Row[], { from, to }: { from: number; to: number }, now: number): string {
  const runs = rows.reduce((sum, row) => sum + barsBetween(row, from, to).length, 0);
  const dead = lane.dead.find((period) => overlaps(period, from, to));
  const death = dead
    ? `, dead from ${moment(dead.from, now)}${dead.to === null ? '' : ` to ${moment(dead.to, now)}`}`
    : '';
  return `${lane.node}: ${runs === 1 ? '1 run' : `${runs} runs`}${death}`;
}
