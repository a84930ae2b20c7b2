import { cutToCells, padToCells } from '../cells.ts';
import { oneLine } from '../output.ts';

/** A column of a section. */
export interface Column {
  readonly title: string;
  /** Width in cells; 0 for the remaining width. */
  readonly width: number;
  /** The column is left out on a narrower terminal. */
  readonly minTerminal?: number;
}

/**
 * One line of exactly `width` cells, with cells cut to their columns and two spaces between. `terminal` is the
 * width of the whole terminal, which decides on the columns.
 */
export function row(all: readonly Column[], cells: readonly string[], width: number, terminal: number): string {
  const columns = all
    .map((column, index) => ({ ...column, cell: cells[index] ?? '' }))
    .filter(({ minTerminal = 0 }) => terminal >= minTerminal);
  const fixed = columns.reduce((sum, column) => sum + column.width, 0);
  const rest = Math.max(0, width - fixed - 2 * (columns.length - 1));
  const line = columns.map((column) => {
    const room = column.width || rest;
    return room === 0 ? '' : padToCells(oneLine(column.cell, room), room);
  });
  return padToCells(cutToCells(line.join('  '), width), width);
}

/** The same line with a remark at its right end, if the remark leaves room for anything else. */
export function withRemark(line: string, remark: string): string {
  if (remark === '' || remark.length + 2 > line.length) return line;
  return `${line.slice(0, line.length - remark.length - 2)}  ${remark}`;
}

/** The part of a list that fits into `height` lines and contains `selected`. */
export function visible<T>(
  list: readonly T[],
  selected: number,
  height: number,
): { items: readonly T[]; from: number } {
  const from = Math.max(0, Math.min(selected - Math.floor(height / 2), list.length - height));
  return { items: list.slice(from, from + height), from };
}

/**
 * Distributes `height` lines to sections: one to the focused section, then up to `least` for each, then the rest, with
 * the focused section first. On a small terminal, a section may get none.
 */
export function share(wanted: readonly number[], focus: number, height: number, least = 3): number[] {
  const given = wanted.map(() => 0);
  let left = Math.max(0, height);
  const order = [focus, ...wanted.keys()].filter((index, place, all) => all.indexOf(index) === place);
  const give = (index: number, upTo: number) => {
    const had = given[index] ?? 0;
    const more = Math.max(0, Math.min(left, Math.min(upTo, wanted[index] ?? 0) - had));
    given[index] = had + more;
    left -= more;
  };
  for (let lines = 1; lines <= least; lines++) for (const index of order) give(index, lines);
  for (const index of order) give(index, Number.POSITIVE_INFINITY);
  return given;
}

/** As many of these hints as fit into `width`, joined by dots; `last` is always among them. */
export function fitting(hints: readonly string[], last: string, width: number): string {
  const shown: string[] = [];
  for (const hint of hints) {
    if ([...shown, hint, last].join(' · ').length > width) break;
    shown.push(hint);
  }
  return [...shown, last].join(' · ');
}

/** The first text that fits into `width`, else the last one. */
export function longestFitting(texts: readonly string[], width: number): string {
  return texts.find((text) => text.length <= width) ?? texts.at(-1) ?? '';
}
