/**
 * Compares output that a page shows with real output. Numbers, ids, times, names of nodes and paths may differ, and how
 * many lines of one shape follow each other; words, columns and order may not.
 */

const WILDCARDS: readonly (readonly [RegExp, string])[] = [
  [/\b[0-7][0-9a-hjkmnp-tv-z]{25}\b/g, '<id>'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z\b/g, '<time>'],
  [/\b(?:https?|rediss?|wss?):\/\/[^\s,;)]+/g, '<url>'],
  [/(?:~|\/[\w.@~-]+)(?:\/[\w.@~-]+)+/g, '<path>'],
  [/\b(?:(?:gateway|exec) \d+\.\d+\.\d+|simulate)(?: \(want [\d.]+\))?/g, '<openclaw>'],
  [/\b(?:node|mac|mac-mini)-\d+\b|\bmac-studio\b/g, '<node>'],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b/g, '<hash>'],
  [/\b\d+(?:\.\d+)? ?(?:ms|s|m|h|d)(?: \d+(?:s|m|h))?\b/g, '<duration>'],
  [/\b\d[\d,]*(?:\.\d+)*/g, '<n>'],
  [/[░█▒▓]+/g, '<bar>'],
  // A drill measures, and this machine may be busy.
  [/\bthe mesh (?:keeps its promise|falls short)/g, 'the mesh <verdict>'],
  [/\s+/g, ' '],
];

/** Columns with text of operators, agents and errors. */
const FREE_TEXT = new Set(['MESSAGE', 'REASON', 'PROBLEM', 'NEXT', 'LAST']);
/** In a page, this line stands for any number of lines. */
export const ANY_LINES = '…';

/** @param answers whether lines that the command does not print itself are an agent's. */
export function shapesOf(lines: readonly string[], options: { answers?: boolean } = {}): string[] {
  let columns: Column[] = [];
  return lines.map((line) => {
    const header = headerOf(line);
    if (header) {
      columns = header;
      return header.map(({ title }) => title).join(' | ');
    }
    if (line.trim() === '' || !fits(line, columns)) columns = [];
    if (columns.length > 0) return rowShape(line, columns);
    if (parsed(line).length > 0) return '<json>';
    if (options.answers && line.trim() !== '' && !/^(queued|clawmesh:|task) /.test(line)) return '<answer>';
    return plainShape(line);
  });
}

interface Column {
  readonly title: string;
  readonly from: number;
}

function plainShape(text: string): string {
  return WILDCARDS.reduce((shape, [pattern, wildcard]) => shape.replace(pattern, wildcard), text).trimEnd();
}

function headerOf(line: string): Column[] | undefined {
  const columns = [...line.matchAll(/\S+(?: \S+)*/g)].map(([title], _) => title);
  if (columns.length < 2 || !columns.every((title) => /^[A-Z][A-Z /]*$/.test(title))) return undefined;
  let from = 0;
  return columns.map((title) => {
    from = line.indexOf(title, from);
    return { title, from };
  });
}

function fits(line: string, columns: readonly Column[]): boolean {
  return columns.every(({ from }) => from === 0 || line.length < from || line[from - 1] === ' ');
}

function rowShape(line: string, columns: readonly Column[]): string {
  const cells = columns.map(({ title, from }, index) => {
    const cell = line.slice(from, columns[index + 1]?.from).trim();
    if (cell === '') return '';
    return FREE_TEXT.has(title) ? '<text>' : plainShape(cell);
  });
  return cells.join(' | ');
}

/** Lines of one shape that follow each other, once. */
function collapsed(shapes: readonly string[]): string[] {
  return shapes.filter((shape, index) => shape !== shapes[index - 1]);
}

/** @returns the first line that differs, in words; undefined if the page shows what is printed. */
export function difference(
  shown: readonly string[],
  printed: readonly string[],
  options: { answers?: boolean } = {},
): string | undefined {
  const documents = printed.flatMap(parsed);
  const wrong = shown.flatMap(parsed).map((document, index) => jsonDifference(document, documents[index], '$'));
  if (wrong.some((found) => found !== undefined)) return wrong.filter((found) => found !== undefined).join('\n');
  const [want, have] = [shown, printed].map((lines) => collapsed(shapesOf(withoutEnd(lines), options)));
  const at = mismatch(want ?? [], have ?? []);
  if (at === undefined) return undefined;
  return [
    `the page shows:   ${want?.[at.want] ?? '(no more lines)'}`,
    `it really prints: ${have?.[at.have] ?? '(no more lines)'}`,
    'all that it prints:',
    ...printed,
  ].join('\n');
}

function mismatch(
  want: readonly string[],
  have: readonly string[],
  from = { want: 0, have: 0 },
): { want: number; have: number } | undefined {
  for (let at = from; ; at = { want: at.want + 1, have: at.have + 1 }) {
    const expected = want[at.want];
    if (expected === ANY_LINES) {
      const rest = have.slice(at.have).map((_, skip) => ({ want: at.want + 1, have: at.have + skip }));
      const tries = [...rest, { want: at.want + 1, have: have.length }].map((start) => mismatch(want, have, start));
      return tries.includes(undefined) ? undefined : tries[0];
    }
    if (expected === undefined && at.have >= have.length) return undefined;
    if (expected !== have[at.have]) return at;
  }
}

function withoutEnd(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return lines.slice(0, last + 1);
}

/** The line's document of JSON, if it is one. */
function parsed(line: string): unknown[] {
  if (!/^[{[]/.test(line)) return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

/** A page may leave fields out; those that it shows are there, with values of that type. */
function jsonDifference(shown: unknown, printed: unknown, path: string): string | undefined {
  if (shown === null || printed === null) return undefined;
  if (Array.isArray(shown) && Array.isArray(printed)) {
    if (shown.length === 0 || printed.length === 0) return undefined;
    return jsonDifference(shown[0], printed[0], `${path}[0]`);
  }
  if (typeof shown !== typeof printed) return `${path} is shown as ${typeof shown}, and really is ${typeof printed}`;
  if (typeof shown !== 'object') return undefined;
  const real = printed as Record<string, unknown>;
  for (const [key, value] of Object.entries(shown as object)) {
    if (!(key in real)) return `${path}.${key} is not printed; what is: ${Object.keys(real).join(', ')}`;
    const found = jsonDifference(value, real[key], `${path}.${key}`);
    if (found) return found;
  }
  return undefined;
}

/** The ids of tasks that a page shows, by the real ones that are printed in their places. */
export function idsShown(shown: readonly string[], printed: readonly string[]): Map<string, string> {
  const ids = (lines: readonly string[]) => lines.join('\n').match(/\b[0-7][0-9a-hjkmnp-tv-z]{25}\b/g) ?? [];
  const real = ids(printed);
  return new Map(ids(shown).flatMap((id, index) => (real[index] === undefined ? [] : [[id, real[index]]])));
}
