import { cellsOf, cutToCells, padToCells, shortened } from './cells.ts';

/** A column of a table. `cut: 'middle'` keeps both ends of a text that is too wide, which suits ids. */
export type Column = string | { readonly title: string; readonly cut: 'middle' };

/** The column of ids with this title. */
export function idColumn(title: string): Column {
  return { title, cut: 'middle' };
}

export function titleOf(column: Column): string {
  return typeof column === 'string' ? column : column.title;
}

const GAP = '  ';
/** Width at which a column shrinks no further, in cells. */
const LEAST = 3;

/**
 * The lines of a table with aligned columns. With `room`, no line is wider than this number of cells: the widest
 * columns shrink first.
 *
 * @param rows the cells of each line, also of the head; each on one line
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room?: number | undefined,
): string[] {
  const cells = room === undefined ? rows : rows.map((row) => row.map((cell) => shortened(cell, room)));
  const last = columns.length - 1;
  // Nothing follows the last column, so it needs no width unless it has to fit.
  const natural = columns.map((_, index) =>
    room === undefined && index === last
      ? 0
      : cells.reduce((widest, row) => Math.max(widest, cellsOf(row[index] ?? '')), 0),
  );
  const widths = room === undefined ? natural : shrunk(natural, room - GAP.length * last);
  return cells.map((row) => {
    const line = columns.map((column, index) => {
      const cell = row[index] ?? '';
      const width = widths[index] ?? 0;
      const cut = room === undefined ? cell : cutToCells(cell, width, typeof column === 'string' ? 'end' : column.cut);
      return index === last ? cut : padToCells(cut, width);
    });
    const joined = line.join(GAP).trimEnd();
    return room === undefined ? joined : cutToCells(joined, room);
  });
}

/** Takes from the widest column, one cell at a time, until all fit into `room` or none can shrink any more. */
function shrunk(natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  for (let over = widths.reduce((sum, width) => sum + width, 0) - room; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= LEAST) break;
    widths[widest] = width - 1;
  }
  return widths;
}
