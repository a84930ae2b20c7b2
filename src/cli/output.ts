import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import { printable, STEERING, withoutEscapes } from '../domain/terminal-text.ts';
import { humanDuration } from '../domain/units.ts';
import type { JsonLines, JsonOutput } from './json-output.ts';

type Style = Parameters<typeof styleText>[0];

/**
 * Begins each of our own escape sequences until it is printed. It is random, so text from another source can't forge
 * one.
 */
const OWN = `\u001b${randomBytes(8).toString('hex')}[`;

/**
 * The output of a command: results on stdout, as text or as one JSON document; everything else on stderr.
 *
 * Nearly all output contains text from others: agents, providers, any writer to Redis. So no sequence that controls a
 * terminal is printed, also not into a pipe, which may lead to one (`| less -R`, `| head`). The only exceptions are our
 * own styles. In JSON, the same characters are escaped, so nothing is lost.
 */
export class Output {
  readonly json: boolean;
  /** Whether output may be colored. */
  readonly color: boolean;
  /** Whether to show progress on stderr, in a line that is overwritten. */
  readonly showsProgress: boolean;
  readonly #quiet: boolean;

  constructor(options: { json: boolean; quiet: boolean; color: boolean }) {
    this.json = options.json;
    this.#quiet = options.quiet;
    this.showsProgress = !options.json && !options.quiet && Boolean(process.stderr.isTTY);
    this.color = options.color && Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
  }

  /** Prints a line of the result; a line break in it becomes a space, so that no text can forge another line. */
  line(text = ''): void {
    process.stdout.write(`${shown(flat(text))}\n`);
  }

  /** Prints text from another source, such as an agent, with its own line breaks. */
  foreign(text: string): void {
    process.stdout.write(`${shown(text)}\n`);
  }

  /** Prints the text unchanged, so it must contain nothing from another source. */
  raw(text: string): void {
    process.stdout.write(text);
  }

  /** Prints the whole result as JSON; `Command` names its type. */
  document<Command extends keyof JsonOutput = never>(value: JsonOutput[Command]): void {
    process.stdout.write(`${jsonText(value, process.stdout.isTTY ? 2 : undefined)}\n`);
  }

  /** Prints one of many results as a line of JSON; `Command` names its type. */
  jsonLine<Command extends keyof JsonLines = never>(value: JsonLines[Command]): void {
    process.stdout.write(`${jsonText(value)}\n`);
  }

  /** Prints a remark on stderr that is not part of the result. */
  note(text: string): void {
    if (!this.#quiet) process.stderr.write(`${shown(text)}\n`);
  }

  /** Adds one of our styles to a text for the other methods. */
  style(style: Style, text: string): string {
    if (!this.color) return text;
    const [before = '', after = ''] = styleText(style, '|', { validateStream: false }).split('|');
    return before.replaceAll('\u001b[', OWN) + text + after.replaceAll('\u001b[', OWN);
  }

  /** Prints aligned columns; the last one takes the remaining width. */
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

/**
 * JSON without characters that control a terminal: beyond JSON's own escapes, these are C1 codes and bidirectional
 * controls.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    STEERING,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The text with our own styles and no other sequence that controls a terminal. */
function shown(text: string): string {
  return text.split(OWN).map(printable).join('\u001b[');
}

/** The visible width, without styles. */
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
  paused: 'yellow',
  draining: 'yellow',
  delayed: 'yellow',
  cancelled: 'dim',
  stopped: 'dim',
};

/** The color of a state; undefined for a state without one. */
export function stateStyle(state: string): string | undefined {
  const style = STATE_STYLES[state];
  return style === 'dim' ? 'gray' : style;
}

export function styledState(out: Output, state: string): string {
  const style = STATE_STYLES[state];
  return style ? out.style(style, state) : state;
}

/** `3m ago`; a dash if it has not happened. */
export function ago(iso: string | null, now = Date.now()): string {
  if (!iso) return '-';
  const ms = now - Date.parse(iso);
  return ms >= 0 ? `${humanDuration(ms)} ago` : `in ${humanDuration(-ms)}`;
}

/** Text on one line, with its spaces unchanged. */
export function inOneLine(text: string): string {
  return flat(printable(text));
}

/** One line of at most `width` characters, with control characters made visible. */
export function oneLine(text: string, width: number): string {
  const flat = printable(text).replace(/\s+/g, ' ').trim();
  return flat.length <= width ? flat : `${flat.slice(0, width - 1)}…`;
}
