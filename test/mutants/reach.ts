import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { luaFiles } from '../support/lua-files.ts';
import { LuaMarks } from './lua-marks.ts';
import type { Tester } from './tester.ts';
import type { Unit } from './units.ts';

const reached = z.object({
  file: z.string(),
  test: z.string().optional(),
  /** Of its file. */
  hash: z.string(),
  /** What it takes without a mutant, ms. */
  ms: z.number(),
  /** Stretches of Lua that it runs (LuaMarks). */
  marks: z.array(z.string()),
});
const stored = z.object({ ground: z.string(), units: z.array(reached) });

/** Tests with what they reach. */
export type Reached = z.infer<typeof reached>;

/** Of one unit that hangs without a mutant, ms. */
const GUARD_MS = 600_000;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['src', 'test/explore', 'test/queue', 'test/registry', 'test/redis', 'test/node', 'test/support'];

function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex').slice(0, 12);
}

/** All that decides what tests do. */
function sources(): string[] {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).sort();
    return names.filter((name) => /\.(ts|lua)$/.test(name)).map((name) => `${folder}/${name}`);
  });
}

/** Changes with every file that decides what tests do: then those that were survived are tried again. */
export function testsHash(): string {
  return hashOf(sources());
}

/**
 * Runs each unit once on scripts that are marked, and remembers in `cache` which stretches it reached, until its file or what all
 * tests stand on changes. Those that fail without a mutant are told of and left out: they would kill anything.
 */
export async function whatIsReached(testers: readonly Tester[], cache: string): Promise<Reached[]> {
  const ground = hashOf(sources().filter((file) => !file.endsWith('.test.ts')));
  const overlay = Object.fromEntries([...luaFiles()].map(([name, text]) => [name, new LuaMarks(name, text).text]));
  const [first] = testers;
  const all: Unit[] = (await first?.units()) ?? [];
  const remembered = readStored(cache);
  const known = remembered?.ground === ground ? remembered.units : [];
  const units = known.filter(
    ({ file, test, hash }) => all.some((one) => one.file === file && one.test === test) && hashOf([file]) === hash,
  );
  const todo = all.filter(({ file, test }) => !units.some((one) => one.file === file && one.test === test));
  if (todo.length > 0) console.log(`what ${todo.length} of ${all.length} units of tests reach:`);
  await Promise.all(
    testers.map(async (tester) => {
      for (let unit = todo.shift(); unit; unit = todo.shift()) {
        const answer = await tester.run({ overlay, units: [unit], marks: true }, GUARD_MS);
        const name = unit.test ?? unit.file;
        if (answer === 'hangs') console.log(`  left out, hangs without a mutant: ${name}`);
        else if (answer.failed) console.log(`  left out, fails without a mutant: ${name}: ${answer.failed.reason}`);
        else units.push({ ...unit, hash: hashOf([unit.file]), ms: answer.ms, marks: [...answer.marks] });
      }
    }),
  );
  mkdirSync(dirname(cache), { recursive: true });
  writeFileSync(cache, JSON.stringify({ ground, units }));
  return units;
}

function readStored(file: string): z.infer<typeof stored> | undefined {
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
