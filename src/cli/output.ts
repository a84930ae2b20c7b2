import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { styleText } from 'node:util';
import { printable, STEERING } from '../domain/terminal-text.ts';
import { humanDuration } from '../domain/units.ts';
import { cutToCells } from './cells.ts';
import { type FieldPath, selectFields } from './fields.ts';
import type { JsonLines, JsonOutput } from './json-output.ts';
import { type Column, tableLines, titleOf } from './table.ts';

type Style = Parameters<typeof styleText>[0];

/**
 * Begins each of our own escape sequences until it is printed. It is random, so text from another source can't forge
 * one.
 */
const OWN = `\u001b${randomBytes(8).toString('hex')}[`;

/** The formats of a command's result (`-o`). `text` is for people and is the default; `wide` is text with more columns. */
export const FORMATS = ['text', 'wide', 'json', 'jsonl', 'id'] as const;
export type Format = (typeof FORMATS)[number];

/** The parts of a list's document. */
interface ListParts<Document> {
  /** The member that contains the entries. */
  readonly of: keyof Document & string;
  /** Further members, known once all entries have been printed. */
  readonly rest?: () => Partial<Document>;
}

/**
 * The output of a command: results on stdout, as text or as one JSON document; everything else on stderr.
 *
 * Nearly all output contains text from others: agents, providers, any writer to Redis. So no sequence that controls a
 * terminal is printed, also not into a pipe, which may lead to one (`| less -R`, `| head`). The only exceptions are our
 * own styles. In JSON, the same characters are escaped, so nothing is lost.
 */
export class Output {
  /** Whether the result is for programs: the command prints its document instead of text. */
  readonly json: boolean;
  /** Whether only ids are printed, so that the rest of a document need not be read. */
  readonly onlyIds: boolean;
  /** Whether tables have more columns, and are not cut to the width of the terminal. */
  readonly wide: boolean;
  /** Whether output may be colored. */
  readonly color: boolean;
  /** Whether to show progress on stderr, in a line that is overwritten. */
  readonly showsProgress: boolean;
  readonly #format: Format;
  readonly #fields: readonly FieldPath[] | undefined;
  readonly #quiet: boolean;

  /** `fields`: the members of JSON to print; all of them if absent. */
  constructor(options: { format: Format; fields?: readonly FieldPath[] | undefined; quiet: boolean; color: boolean }) {
    this.#format = options.format;
    this.#fields = options.fields;
    this.json = options.format !== 'text' && options.format !== 'wide';
    this.onlyIds = options.format === 'id';
    this.wide = options.format === 'wide';
    this.#quiet = options.quiet;
    this.showsProgress = !this.json && !options.quiet && Boolean(process.stderr.isTTY);
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

  /**
   * Prints the whole result in the format for programs; `Command` names its type.
   *
   * @param list the member of a list's document that contains the entries: `jsonl` prints a line for each of them, `id`
   *   their ids, and fields are those of an entry
   * @throws ClawmeshError `usage` if a selected field does not exist.
   */
  document<Command extends keyof JsonOutput = never>(
    value: JsonOutput[Command],
    list?: keyof JsonOutput[Command] & string,
  ): void {
    if (list === undefined) this.#print(this.#selected(value));
    else {
      const entries = (value[list] as readonly unknown[]).map((entry) => this.#selected(entry));
      if (this.#format === 'json') this.#print({ ...value, [list]: entries });
      else for (const entry of entries) this.#print(entry);
    }
  }

  /**
   * Prints the document of a list whose entries arrive one by one, since all of them together may not fit into memory.
   */
  async listDocument<Command extends keyof JsonOutput = never>(
    entries: AsyncIterable<unknown>,
    { of, rest }: ListParts<JsonOutput[Command]>,
  ): Promise<void> {
    const isWhole = this.#format === 'json';
    const begin = `{${jsonText(of)}:[`;
    let before = begin;
    for await (const entry of entries) {
      // This may throw, and then nothing must have been printed.
      const selected = this.#selected(entry);
      if (isWhole) process.stdout.write(before + jsonText(selected, process.stdout.isTTY ? 2 : undefined));
      else this.#print(selected);
      before = ',\n';
      // Without a reader, nothing has to be read either.
      if (process.stdout.destroyed) return;
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain').catch(() => {});
    }
    const further = Object.entries(rest?.() ?? {}).map(([name, value]) => `,${jsonText(name)}:${jsonText(value)}`);
    if (isWhole) process.stdout.write(`${before === begin ? begin : ''}]${further.join('')}}\n`);
  }

  /** Prints one of many results as a line of JSON; `Command` names its type. */
  jsonLine<Command extends keyof JsonLines = never>(value: JsonLines[Command]): void {
    const selected = this.#selected(value);
    process.stdout.write(`${this.onlyIds ? printable(idOf(selected)) : jsonText(selected)}\n`);
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

  /** Prints aligned columns. On a terminal, no line is wider than it; into a pipe, nothing is cut. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const head = columns.map((column) => this.style('dim', titleOf(column)));
    const cells = [head, ...rows].map((row) => row.map((cell) => shown(flat(cell))));
    for (const line of tableLines(columns, cells, this.#room)) process.stdout.write(`${line}\n`);
  }

  /** Prints cells that belong to no table as one line, cut as in a table. */
  row(cells: readonly string[]): void {
    const line = shown(flat(cells.join('  ')));
    process.stdout.write(`${this.#room === undefined ? line : cutToCells(line, this.#room)}\n`);
  }

  /** The text on one line: on a terminal cut to this number of cells, else whole. */
  excerpt(text: string, cells: number): string {
    return this.#room === undefined ? oneLine(text) : oneLine(text, cells);
  }

  /** The width of the terminal in cells; undefined if nothing may be cut. */
  get #room(): number | undefined {
    return this.wide || !process.stdout.isTTY ? undefined : process.stdout.columns || undefined;
  }

  #selected<T>(value: T): unknown {
    return this.#fields === undefined ? value : selectFields(value, this.#fields);
  }

  #print(value: unknown): void {
    if (this.onlyIds) process.stdout.write(`${printable(idOf(value))}\n`);
    else process.stdout.write(`${jsonText(value, this.#format === 'json' && process.stdout.isTTY ? 2 : undefined)}\n`);
  }
}

/** The name by which commands accept this entry. */
function idOf(value: unknown): string {
  const { id, name, taskId } = value as { id?: string; name?: string; taskId?: string };
  return id ?? name ?? taskId ?? '';
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

/** The text on one line of at most this number of cells, or of any length; control characters become visible. */
export function oneLine(text: string, cells?: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return cells === undefined ? line : cutToCells(line, cells);
}
