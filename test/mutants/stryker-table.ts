import * as z from 'zod';
import { columns } from './table.ts';

const place = z.object({ line: z.number(), column: z.number() });
/** Of Stryker's report (mutation-testing-report-schema), what is counted here. */
const report = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.string(),
      mutants: z.array(
        z.object({
          mutatorName: z.string(),
          replacement: z.string().optional(),
          status: z.string(),
          location: z.object({ start: place, end: place }),
        }),
      ),
    }),
  ),
});
type File = z.infer<typeof report>['files'][string];
type Mutant = File['mutants'][number];

/** Neither killed nor survived: it does not compile, runs only when the module is loaded, or was not reached in time. */
const UNDECIDED = ['Ignored', 'Pending', 'CompileError', 'RuntimeError'];

/** A table by file of Stryker's report (JSON), and the list of survivors. */
export function strykerTable(json: string): string {
  const { files } = report.parse(JSON.parse(json));
  const names = Object.keys(files).sort();
  const head = ['file', 'mutants', 'killed', '%', 'hangs', 'survived', 'unreached', 'static'];
  const rows = names.map((name) => row(name, files[name]?.mutants ?? []));
  const all = row(
    'all',
    names.flatMap((name) => files[name]?.mutants ?? []),
  );
  const left = names.flatMap((name) => survivors(name, files[name]));
  return [columns([head, ...rows, all]), '', ...left].join('\n');
}

function row(name: string, mutants: readonly Mutant[]): string[] {
  const count = (...of: string[]) => mutants.filter(({ status }) => of.includes(status)).length;
  const killed = count('Killed', 'Timeout');
  const decided = mutants.length - count(...UNDECIDED);
  const counts = [count('Timeout'), count('Survived'), count('NoCoverage'), count('Ignored')].map(String);
  const rate = decided === 0 ? '-' : ((killed / decided) * 100).toFixed(1);
  return [name, String(mutants.length), String(killed), rate, ...counts];
}

function survivors(name: string, file: File | undefined): string[] {
  const left = (file?.mutants ?? []).filter(({ status }) => status === 'Survived' || status === 'NoCoverage');
  return left.map(({ mutatorName, replacement = '', status, location: { start, end } }) => {
    const lines = file?.source.split('\n').slice(start.line - 1, end.line) ?? [];
    const before = lines.map((line, i) =>
      line.slice(i === 0 ? start.column - 1 : 0, i === lines.length - 1 ? end.column - 1 : undefined),
    );
    const what = status === 'Survived' ? 'survived' : 'unreached';
    return `${what} ${name}:${start.line}:${start.column} ${mutatorName}: ${brief(before.join(' '))} → ${brief(replacement)}`;
  });
}

function brief(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
