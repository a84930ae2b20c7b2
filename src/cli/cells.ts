import { createRequire } from 'node:module';
import { cutText } from '../domain/cut-text.ts';
import { withoutEscapes } from '../domain/terminal-text.ts';

/** Text that needs no library: each character has one cell. */
const ASCII = /^[ -~]*$/;
/** A longer text is cut before it is measured, in characters per cell: measuring a megabyte takes a second. */
const CHARACTERS_PER_CELL = 50;

// Loaded on first use, since loading takes as long as the rest of a short command, and most output is ASCII.
const load = createRequire(import.meta.url);
const stringWidth = () => load('string-width') as typeof import('string-width');
const cliTruncate = () => load('cli-truncate') as typeof import('cli-truncate');

/** The width of a text in cells of a terminal: two for most characters of East Asia and for emoji. Styles have none. */
export function cellsOf(text: string): number {
  const plain = withoutEscapes(text);
  return ASCII.test(plain) ? plain.length : stringWidth().default(plain);
}

/** Cuts a text to this number of cells, with a `…` at the cut. Neither characters nor styles are cut in half. */
export function cutToCells(text: string, cells: number, position: 'middle' | 'end' = 'end'): string {
  const begin = shortened(text, cells);
  return cellsOf(begin) <= cells ? begin : cliTruncate().default(begin, cells, { position });
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
