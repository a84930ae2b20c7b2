import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { LuaMutant } from './lua-mutants.ts';

/** What a mutant has come to. A line of the file of results. */
const record = z.object({
  id: z.string(),
  /** Of the file's text as the mutant has it: another text is another mutant. */
  text: z.string(),
  /** See `testsHash`. */
  tests: z.string(),
  /** 'hangs': killed, because tests took too long with it. 'unreached': no test runs the place. */
  end: z.enum(['killed', 'hangs', 'survived', 'unreached']),
  /** Kind of the test that killed it. */
  by: z.enum(['model', 'unit']).optional(),
  test: z.string().optional(),
  reason: z.string().optional(),
  ms: z.number(),
});
export type Record = z.infer<typeof record>;

export function textHash({ text }: Pick<LuaMutant, 'text'>): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

export function appendRecord(file: string, line: Record): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/**
 * The last record of each of these mutants, by its id; not those of texts that are no more. A run that was killed may have left
 * half a line, which counts as none.
 */
export function readRecords(file: string, mutants: readonly LuaMutant[]): Map<string, Record> {
  const texts = new Map(mutants.map((mutant) => [mutant.id, textHash(mutant)]));
  const found = new Map<string, Record>();
  if (!existsSync(file)) return found;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const read = record.safeParse(parsed(line));
    if (read.success && texts.get(read.data.id) === read.data.text) found.set(read.data.id, read.data);
  }
  return found;
}

/** Whether the mutant need not be tried again: what killed it once is good enough, what did not may do so now. */
export function isSettled({ end, tests }: Record, now: string): boolean {
  return end === 'killed' || end === 'hangs' || tests === now;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
