import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { cutText } from '../domain/cut-text.ts';

/** A longer text is cut before it is measured, in characters per cell: measuring a megabyte takes a second. */
const CHARACTERS_PER_CELL = 50;

/** The width of a text in cells of a terminal: two for most characters of East Asia and for emoji. Styles have none. */
export function cellsOf(text: string): number {
  return stringWidth(text);
}

/** Cuts a text to this number of cells, with a `…` at the cut. Neither characters nor styles are cut in half. */
export function cutToCells(text: string, cells: number, position: 'middle' | 'end' = 'end'): string {
  return cliTruncate(shortened(text, cells), cells, { position });
}

/** Adds spaces up to this number of cells. */
export function padToCells(text: string, cells: number): string {
  return text + ' '.repeat(Math.max(0, cells - cellsOf(text)));
}

/** The beginning of a very long text, with a `…`; still wider than `cells` unless it has many invisible characters. */
export function shortened(text: string, cells: number): string {
  const most = Math.max(1, cells) * CHARACTERS_PER_CELL;
  // Styled texts are short, and a cut could split a style.
  return text.length <= most || text.includes('\u001b') ? text : `${cutText(text, most)}…`;
}
