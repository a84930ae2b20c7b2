import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { LuaMarks } from './lua-marks.ts';
import { luaFiles } from './lua-tree.ts';
import type { Tester } from './tester.ts';
import type { Unit } from './units.ts';

const reached = z.object({
  file: z.string(),
  test: z.string().optional(),
  /** What it takes without a mutant, ms. */
  ms: z.number(),
  /** Stretches of Lua that it runs (LuaMarks). */
  marks: z.array(z.string()),
});
const stored = z.object({ tests: z.string(), units: z.array(reached) });

/** Tests with what they reach. */
export type Reached = z.infer<typeof reached>;

/** Of one unit that hangs without a mutant, ms. */
const GUARD_MS = 600_000;

/** Changes with every file that decides what tests do: then those that were survived are tried again. */
export function testsHash(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const hash = createHash('sha256');
  for (const folder of [
    'src',
    'test/explore',
    'test/queue',
    'test/registry',
    'test/redis',
    'test/node',
    'test/support',
  ]) {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort();
    for (const name of names.filter((one) => /\.(ts|lua)$/.test(one))) {
      hash.update(name).update(readFileSync(join(root, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/**
 * Runs each unit once on scripts that are marked, and remembers in `cache` which stretches it reached. Those that fail without
 * a mutant are told of and left out: they would kill anything.
 */
export async function whatIsReached(testers: readonly Tester[], cache: string): Promise<Reached[]> {
  const tests = testsHash();
  const known = readStored(cache);
  if (known?.tests === tests) return known.units;
  const overlay = Object.fromEntries([...luaFiles()].map(([name, text]) => [name, new LuaMarks(name, text).text]));
  const [first] = testers;
  const todo: Unit[] = (await first?.units()) ?? [];
  console.log(`what each of ${todo.length} units of tests reaches:`);
  const units: Reached[] = [];
  await Promise.all(
    testers.map(async (tester) => {
      for (let unit = todo.shift(); unit; unit = todo.shift()) {
        const answer = await tester.run({ overlay, units: [unit], marks: true }, GUARD_MS);
        const name = unit.test ?? unit.file;
        if (answer === 'hangs') console.log(`  left out, hangs without a mutant: ${name}`);
        else if (answer.failed) console.log(`  left out, fails without a mutant: ${name}: ${answer.failed.reason}`);
        else units.push({ ...unit, ms: answer.ms, marks: [...answer.marks] });
      }
    }),
  );
  mkdirSync(dirname(cache), { recursive: true });
  writeFileSync(cache, JSON.stringify({ tests, units }));
  return units;
}

function readStored(file: string): z.infer<typeof stored> | undefined {
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
