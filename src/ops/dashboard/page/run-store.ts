import type { TaskRef } from '../../../domain/task.ts';
import { type Bar, keyOf, type TaskRuns } from '../timeline.ts';

/** A run with its place in the lane of its node. */
export interface PlacedBar extends Bar {
  readonly task: PlacedTask;
  /** Place among the bars of its task, from 0. */
  readonly index: number;
  /** Row in its lane, from 0. Bars of one row do not overlap, and a bar never changes its row. */
  readonly row: number;
}

export interface PlacedTask extends TaskRef {
  /** The oldest first. */
  readonly bars: readonly PlacedBar[];
}

/** The bars of one row, the newest first, as most of them arrive in this order. */
export type Row = readonly PlacedBar[];

/** The runs that the page knows, by node and row. */
export class RunStore {
  readonly #tasks = new Map<string, PlacedTask>();
  readonly #lanes = new Map<string, PlacedBar[][]>();
  readonly #handovers = new Set<PlacedBar>();
  #version = 0;

  /** Number of tasks. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  /** The bars that ended with a handover. */
  get handovers(): Iterable<PlacedBar> {
    return this.#handovers;
  }

  get nodes(): Iterable<string> {
    return this.#lanes.keys();
  }

  rowsOf(node: string): readonly Row[] {
    return this.#lanes.get(node) ?? [];
  }

  barsOf(task: TaskRef): readonly PlacedBar[] {
    return this.#tasks.get(keyOf(task))?.bars ?? [];
  }

  /** Adds the runs of a task, or replaces those that have changed. */
  set(runs: TaskRuns): void {
    const key = keyOf(runs);
    const known = this.barsOf(runs);
    const task = { id: runs.id, pool: runs.pool, bars: [] as PlacedBar[] };
    // A run that has ended keeps its row.
    const isSame = (bar: Bar, index: number) => known[index]?.node === bar.node && known[index]?.from === bar.from;
    const firstNew = runs.bars.findIndex((bar, index) => !isSame(bar, index));
    const kept = firstNew < 0 ? runs.bars.length : firstNew;
    for (const bar of known.slice(kept)) this.#remove(bar);
    for (const [index, bar] of runs.bars.entries()) {
      const old = index < kept ? known[index] : undefined;
      const row = old?.row ?? this.#freeRow(bar);
      const placed = { ...bar, task, index, row };
      if (old) this.#replace(old, placed);
      else this.#insert(placed);
      task.bars.push(placed);
    }
    this.#tasks.set(key, task);
    this.#version++;
  }

  /** Removes the task with this key. */
  delete(key: string): void {
    for (const bar of this.#tasks.get(key)?.bars ?? []) this.#remove(bar);
    this.#tasks.delete(key);
    this.#version++;
  }

  /** Keys of the tasks that run. */
  running(): string[] {
    return [...this.#tasks].flatMap(([key, { bars }]) => (bars.at(-1)?.to === null ? [key] : []));
  }

  /** Drops the tasks that ended first, until `count` are left. @returns the end of the last dropped one, ms. */
  keepNewest(count: number): number | undefined {
    const ended = [...this.#tasks].map(([key, { bars }]) => ({ key, to: bars.at(-1)?.to ?? Number.POSITIVE_INFINITY }));
    ended.sort((a, b) => a.to - b.to);
    const dropped = ended.slice(0, Math.max(0, ended.length - count)).filter(({ to }) => Number.isFinite(to));
    for (const { key } of dropped) this.delete(key);
    return dropped.at(-1)?.to;
  }

  #freeRow(bar: Bar): number {
    const rows = this.#lanes.get(bar.node) ?? [];
    const free = rows.findIndex((row) => {
      const place = placeIn(row, bar.from);
      const [newer, older] = [row[place - 1], row[place]];
      return (!older || endOf(older) <= bar.from) && (!newer || endOf(bar) <= newer.from);
    });
    return free < 0 ? rows.length : free;
  }

  #insert(bar: PlacedBar): void {
    const rows = this.#lanes.get(bar.node) ?? [];
    const row = rows[bar.row] ?? [];
    row.splice(placeIn(row, bar.from), 0, bar);
    rows[bar.row] = row;
    this.#lanes.set(bar.node, rows);
    if (bar.end === 'handover') this.#handovers.add(bar);
  }

  #replace(old: PlacedBar, bar: PlacedBar): void {
    const row = this.#lanes.get(old.node)?.[old.row];
    const place = row ? row.indexOf(old, Math.max(0, placeIn(row, old.from) - 1)) : -1;
    if (row && place >= 0) row[place] = bar;
    this.#handovers.delete(old);
    if (bar.end === 'handover') this.#handovers.add(bar);
  }

  #remove(bar: PlacedBar): void {
    const row = this.#lanes.get(bar.node)?.[bar.row];
    const place = row?.indexOf(bar) ?? -1;
    if (place >= 0) row?.splice(place, 1);
    this.#handovers.delete(bar);
  }
}

/** When the bar ends, ms; never, as far as is known, while its task runs. */
export function endOf({ to }: Bar): number {
  return to ?? Number.POSITIVE_INFINITY;
}

/** The index of the first bar that does not start after this time. */
export function placeIn(row: Row, time: number): number {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((row[middle]?.from ?? 0) > time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bars of a row that touch this period, the newest first. */
export function barsBetween(row: Row, from: number, to: number): PlacedBar[] {
  const first = placeIn(row, to);
  let last = first;
  // Bars of a row do not overlap, so their ends have the same order as their starts.
  while (last < row.length && endOf(row[last] as PlacedBar) >= from) last++;
  return row.slice(first, last);
}

/** The bar of the same lane before (-1) or after (1) this one. */
export function neighbour(rows: readonly Row[], bar: PlacedBar, step: -1 | 1): PlacedBar | undefined {
  const order = (a: PlacedBar, b: PlacedBar) => a.from - b.from || a.row - b.row || a.task.id.localeCompare(b.task.id);
  const candidates = rows.flatMap((row) => {
    const place = placeIn(row, bar.from);
    const near = row.slice(Math.max(0, place - 2), place + 2);
    return near.filter((other) => order(other, bar) * step > 0);
  });
  return candidates.sort((a, b) => order(a, b) * step)[0];
}
