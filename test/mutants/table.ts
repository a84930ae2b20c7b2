import type { LuaMutant } from './lua-mutants.ts';
import type { Record } from './records.ts';

const KILLED = ['killed', 'hangs'];

/** How many of those that were tried and are not equivalent were killed, in percent; undefined when none was tried. */
export function killRate(
  mutants: readonly LuaMutant[],
  records: ReadonlyMap<string, Record>,
  equal: ReadonlySet<string>,
) {
  const tried = mutants.filter(({ id }) => records.has(id) && !isEqual(id, records, equal));
  const killed = tried.filter(({ id }) => isKilled(records.get(id)));
  return tried.length === 0 ? undefined : (killed.length / tried.length) * 100;
}

/** A table by file, and the list of survivors. */
export function table(
  mutants: readonly LuaMutant[],
  records: ReadonlyMap<string, Record>,
  equal: ReadonlySet<string>,
): string {
  const files = [...new Set(mutants.map(({ file }) => file))].sort();
  const head = [
    'script',
    'mutants',
    'tried',
    'killed',
    '%',
    'model',
    'unit',
    'hangs',
    'survived',
    'unreached',
    'equivalent',
  ];
  const rows = files.map((file) =>
    row(
      file,
      mutants.filter((mutant) => mutant.file === file),
      records,
      equal,
    ),
  );
  const lines = [head, ...rows.filter(([, , tried]) => tried !== '0'), row('all', mutants, records, equal)];
  const wrong = mutants.filter(({ id }) => equal.has(id) && isKilled(records.get(id)));
  const notEqual = wrong.map(({ id }) => `not equivalent, as test/mutants/equivalent.json says: ${id}`);
  return [columns(lines), '', ...survivors(mutants, records, equal), ...notEqual].join('\n');
}

function row(name: string, of: readonly LuaMutant[], records: ReadonlyMap<string, Record>, equal: ReadonlySet<string>) {
  const tried = of.flatMap(({ id }) => records.get(id) ?? []);
  const count = (is: (record: Record) => boolean) => String(tried.filter(is).length);
  return [
    name,
    String(of.length),
    String(tried.length),
    count(isKilled),
    killRate(of, records, equal)?.toFixed(1) ?? '-',
    count(({ end, by }) => end === 'killed' && by === 'model'),
    count(({ end, by }) => end === 'killed' && by === 'unit'),
    count(({ end }) => end === 'hangs'),
    count(({ id, end }) => end === 'survived' && !equal.has(id)),
    count(({ id, end }) => end === 'unreached' && !equal.has(id)),
    count(({ id }) => isEqual(id, records, equal)),
  ];
}

function survivors(
  mutants: readonly LuaMutant[],
  records: ReadonlyMap<string, Record>,
  equal: ReadonlySet<string>,
): string[] {
  const left = mutants.filter(({ id }) => {
    const record = records.get(id);
    return record && !isKilled(record) && !equal.has(id);
  });
  return left
    .sort((a, b) => a.file.localeCompare(b.file) || a.start - b.start)
    .map(({ id, change, code }) => `${records.get(id)?.end} ${id}: ${change}\n    ${code}`);
}

function isKilled(record: Record | undefined): boolean {
  return record !== undefined && KILLED.includes(record.end);
}

/** One that some test kills is not, whatever was written down. */
function isEqual(id: string, records: ReadonlyMap<string, Record>, equal: ReadonlySet<string>): boolean {
  return equal.has(id) && !isKilled(records.get(id));
}

/** Cells below each other: the first to the left, numbers to the right. */
export function columns(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0)));
  const padded = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0));
  return lines.map((cells) => cells.map(padded).join('  ')).join('\n');
}
