import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { strykerTable } from './stryker-table.ts';

/** Where mistakes cost tasks. */
const FOLDERS = ['src/domain', 'src/queue', 'src/registry', 'src/node'];

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface StrykerOptions {
  /** Folder of what is remembered, with a slash behind. */
  readonly results: string;
  /** Files or folders below the root; undefined for all. */
  readonly files: readonly string[] | undefined;
  /** How many of the files. */
  readonly sample: number;
  readonly minutes: number;
  readonly resume: boolean;
  readonly workers: number;
  readonly random: () => number;
}

/**
 * Has StrykerJS change the TypeScript, on the unit tests of `test/mutants/vitest.config.ts`. It remembers each mutant until its
 * file, or a test that reaches it, changes. What it knows by then is printed as a table. @returns its exit code; 0 if the
 * time was over first.
 */
export async function stryker(options: StrykerOptions): Promise<number> {
  const { results, resume, workers, minutes } = options;
  const remembered = `${results}stryker-incremental.json`;
  if (!resume) rmSync(remembered, { force: true });
  const files = chosenFiles(options);
  if (files.length === 0) throw new Error('no file of src/domain, src/queue, src/registry or src/node is called so');
  const bin = createRequire(import.meta.url)
    .resolve('@stryker-mutator/core/package.json')
    .replace(/package\.json$/, 'bin/stryker.js');
  const args = ['run', 'test/mutants/stryker.json', '--mutate', files.join(','), '--concurrency', String(workers)];
  const own = ['--incrementalFile', remembered];
  const child = spawn(process.execPath, [bin, ...args, ...own], { cwd: root, stdio: 'inherit' });
  const timer = Number.isFinite(minutes) ? setTimeout(() => child.kill('SIGINT'), minutes * 60_000) : undefined;
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  if (existsSync(remembered)) console.log(strykerTable(readFileSync(remembered, 'utf8')));
  return typeof code === 'number' ? code : 0;
}

function chosenFiles({ files, sample, random }: StrykerOptions): string[] {
  const all = FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`);
  });
  const named = all.filter(
    (file) => files === undefined || files.some((name) => file === name || file.startsWith(`${name}/`)),
  );
  const keyed = named.sort().map((file): [number, string] => [random(), file]);
  return keyed
    .sort(([a], [b]) => a - b)
    .slice(0, sample)
    .map(([, file]) => file);
}
