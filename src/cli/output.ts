import { styleText } from 'node:util';
import { withoutEscapes } from '../domain/terminal-text.ts';
import { humanDuration } from '../domain/units.ts';

type Style = Parameters<typeof styleText>[0];

/** What a command prints: results on stdout, for people or as one JSON document; everything else on stderr. */
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

  /** A line of the result. */
  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  /** A line that somebody else wrote, an agent say: as it is, but on a terminal with nothing in it that would steer that. */
  foreign(text: string): void {
    this.line(process.stdout.isTTY ? printable(text) : text);
  }

  /** A part of a result that is too long to be put together first. */
  raw(text: string): void {
    process.stdout.write(text);
  }

  /** The whole result as JSON. */
  document(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`);
  }

  /** Something worth knowing that is no result. */
  note(text: string): void {
    if (!this.#quiet) process.stderr.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return this.color ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Aligned columns; the last one takes what room is left. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = head.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => withoutEscapes(row[column] ?? '').length)),
    );
    const render = (cells: readonly string[]) =>
      cells
        .map((cell, column) => {
          const pad = (widths[column] ?? 0) - withoutEscapes(cell).length;
          return column === cells.length - 1 ? cell : cell + ' '.repeat(Math.max(0, pad));
        })
        .join('  ')
        .trimEnd();
    this.line(this.style('dim', render(head)));
    for (const row of rows) this.line(render(row));
  }
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

/** Text with line breaks, and nothing in it that would steer a terminal or turn the reading direction around. */
export function printable(text: string): string {
  return withoutEscapes(text)
    .replace(/\r\n/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, '�');
}

/** One line of at most `width` characters, control characters made visible. */
export function oneLine(text: string, width: number): string {
  const flat = printable(text).replace(/\s+/g, ' ').trim();
  return flat.length <= width ? flat : `${flat.slice(0, width - 1)}…`;
}
