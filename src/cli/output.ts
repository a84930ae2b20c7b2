import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import { withoutEscapes } from '../domain/terminal-text.ts';
import { humanDuration } from '../domain/units.ts';

type Style = Parameters<typeof styleText>[0];

/**
 * Begins each of our own escape sequences until it is printed. Nobody else can know it, so that the same sequence in a text
 * that came from elsewhere is none of ours.
 */
const OWN = `\u001b${randomBytes(8).toString('hex')}[`;

/**
 * What a command prints: results on stdout, for people or as one JSON document; everything else on stderr.
 *
 * Nearly all of it has parts that others wrote: agents, providers, whoever can write to Redis. So nothing leaves here that
 * would steer a terminal, into which a pipe may lead, too (`| less -R`, `| head`); only our own styles do. In JSON the same
 * characters are escaped, and so are whole.
 */
export class Output {
  readonly json: boolean;
  /** Whether what is printed may be coloured. */
  readonly color: boolean;
  readonly #quiet: boolean;

  constructor(options: { json: boolean; quiet: boolean; color: boolean }) {
    this.json = options.json;
    this.#quiet = options.quiet;
    this.color = options.color && Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
  }

  /** A line of the result; a break in it, with which somebody could forge another line, becomes a space. */
  line(text = ''): void {
    process.stdout.write(`${shown(flat(text))}\n`);
  }

  /** A text that somebody else wrote, an agent say, with its own lines. */
  foreign(text: string): void {
    process.stdout.write(`${shown(text)}\n`);
  }

  /** As it is; so nothing that anybody else wrote. */
  raw(text: string): void {
    process.stdout.write(text);
  }

  /** The whole result as JSON. */
  document(value: unknown): void {
    process.stdout.write(`${jsonText(value, process.stdout.isTTY ? 2 : undefined)}\n`);
  }

  /** One of many results, as a line of JSON. */
  jsonLine(value: unknown): void {
    process.stdout.write(`${jsonText(value)}\n`);
  }

  /** Something worth knowing that is no result. */
  note(text: string): void {
    if (!this.#quiet) process.stderr.write(`${shown(text)}\n`);
  }

  /** The text with a style of ours, to be printed by one of the others. */
  style(style: Style, text: string): string {
    if (!this.color) return text;
    const [before = '', after = ''] = styleText(style, '|', { validateStream: false }).split('|');
    return before.replaceAll('\u001b[', OWN) + text + after.replaceAll('\u001b[', OWN);
  }

  /** Aligned columns; the last one takes what room is left. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const cells = [head.map((title) => this.style('dim', title)), ...rows].map((row) => row.map(flat));
    const widths = head.map((_, column) => Math.max(...cells.map((row) => widthOf(row[column] ?? ''))));
    for (const row of cells) {
      const padded = row.map((cell, column) => {
        const pad = (widths[column] ?? 0) - widthOf(cell);
        return column === row.length - 1 ? cell : cell + ' '.repeat(Math.max(0, pad));
      });
      this.line(padded.join('  ').trimEnd());
    }
  }
}

/** JSON in which nothing steers a terminal: beyond what JSON itself escapes, these are C1 codes and turns of direction. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    STEERING,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The text with our own styles and nothing else that would steer a terminal. */
function shown(text: string): string {
  return text.split(OWN).map(printable).join('\u001b[');
}

/** Without what it is styled with, of which nothing is seen. */
function widthOf(cell: string): number {
  return withoutEscapes(shown(cell)).length;
}

function flat(text: string): string {
  return text.replace(/[ \t]*[\r\n]+[ \t]*/g, ' ');
}

const STATE_STYLES: Readonly<Record<string, 'green' | 'cyan' | 'red' | 'yellow' | 'dim'>> = {
  completed: 'green',
  up: 'green',
  active: 'cyan',
  failed: 'red',
  dead: 'red',
  gated: 'yellow',
  draining: 'yellow',
  delayed: 'yellow',
  cancelled: 'dim',
  stopped: 'dim',
};

/** How a state looks where colours are to be had; undefined for one that looks like anything else. */
export function stateStyle(state: string): string | undefined {
  const style = STATE_STYLES[state];
  return style === 'dim' ? 'gray' : style;
}

export function styledState(out: Output, state: string): string {
  const style = STATE_STYLES[state];
  return style ? out.style(style, state) : state;
}

/** `3m ago`; a dash for what has not happened. */
export function ago(iso: string | null, now = Date.now()): string {
  if (!iso) return '-';
  const ms = now - Date.parse(iso);
  return ms >= 0 ? `${humanDuration(ms)} ago` : `in ${humanDuration(-ms)}`;
}

/** Control characters but line break and tab, other line breaks, and what turns the reading direction around. */
const STEERING = /[^\P{Cc}\n\t]|[\u2028-\u202e\u2066-\u2069]/gu;

/** Text with line breaks, and nothing in it that would steer a terminal or turn the reading direction around. */
export function printable(text: string): string {
  return withoutEscapes(text).replace(/\r\n/g, '\n').replace(STEERING, '�');
}

/** Text for one line, spaces as they are. */
export function inOneLine(text: string): string {
  return flat(printable(text));
}

/** One line of at most `width` characters, control characters made visible. */
export function oneLine(text: string, width: number): string {
  const flat = printable(text).replace(/\s+/g, ' ').trim();
  return flat.length <= width ? flat : `${flat.slice(0, width - 1)}…`;
}
