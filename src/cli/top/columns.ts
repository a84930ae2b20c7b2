import { cutToCells, padToCells } from '../cells.ts';
import { oneLine } from '../output.ts';

/** A column: its title, and its width in cells, 0 for the remaining width. */
export type Column = readonly [title: string, width: number];

/** One line of exactly `width` cells, with cells cut to their columns and two spaces between. */
export function row(columns: readonly Column[], cells: readonly string[], width: number): string {
  const fixed = columns.reduce((sum, [, columnWidth]) => sum + columnWidth, 0);
  const rest = Math.max(0, width - fixed - 2 * (columns.length - 1));
  const line = columns.map(([, columnWidth], index) => {
    const room = columnWidth || rest;
    return room === 0 ? '' : padToCells(oneLine(cells[index] ?? '', room), room);
  });
  return padToCells(cutToCells(line.join('  '), width), width);
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

/** Distributes lines to sections: first up to `least` for each, then the rest, with the focused section first. */
export function share(wanted: readonly number[], focus: number, height: number, least = 3): number[] {
  const given = wanted.map((lines) => Math.min(lines, least));
  let left = height - given.reduce((sum, lines) => sum + lines, 0);
  const order = [focus, ...wanted.keys()].filter((index, place, all) => all.indexOf(index) === place);
  for (const index of order) {
    const more = Math.max(0, Math.min(left, (wanted[index] ?? 0) - (given[index] ?? 0)));
    given[index] = (given[index] ?? 0) + more;
    left -= more;
  }
  return given;
}
