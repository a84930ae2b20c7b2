import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { LuaMutant } from './lua-mutants.ts';

/** A mutant that does what the script does. Named by its line's text, not the number, so that it outlives other changes. */
const equivalent = z.strictObject({
  file: z.string(),
  kind: z.string(),
  code: z.string(),
  change: z.string(),
  /** Why nothing can tell it from the script. */
  reason: z.string().min(10),
});
export type Equivalent = z.infer<typeof equivalent>;

const list = z.array(equivalent);

export function readEquivalents(): Equivalent[] {
  return list.parse(JSON.parse(readFileSync(new URL('equivalent.json', import.meta.url), 'utf8')));
}

/** Splits off what is equivalent. @throws Error naming the entries that fit no mutant any more. */
export function equivalentIds(mutants: readonly LuaMutant[], entries: readonly Equivalent[]): Set<string> {
  const ids = new Set<string>();
  const stale = entries.filter((entry) => {
    const fitting = mutants.filter(
      ({ file, kind, code, change }) =>
        file === entry.file && kind === entry.kind && code === entry.code && change === entry.change,
    );
    for (const { id } of fitting) ids.add(id);
    return fitting.length === 0;
  });
  if (stale.length > 0) {
    const lines = stale.map(({ file, kind, code, change }) => `  ${file} ${kind}: ${change} in: ${code}`);
    throw new Error(`test/mutants/equivalent.json names mutants that there are not:\n${lines.join('\n')}`);
  }
  return ids;
}
