/**
 * `npm run mutants -- [--lua | --ts] [--files a,b] [--minutes N] [--sample N] [--seed S] [--resume] [--workers N]`: changes the
 * scripts (--lua, the default) or the code (--ts, with StrykerJS) in one place at a time, and looks whether a test notices.
 * Results go to test/mutants/results; with --resume what is settled there is not tried again, so that days can share the work.
 * Ends with 1 if fewer were killed than there should be.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { equivalentIds, readEquivalents } from '../test/mutants/equivalents.ts';
import { type LuaMutant, luaMutants } from '../test/mutants/lua-mutants.ts';
import { LuaRun } from '../test/mutants/lua-run.ts';
import { testsHash, whatIsReached } from '../test/mutants/reach.ts';
import { appendRecord, isSettled, readRecords } from '../test/mutants/records.ts';
import { stryker } from '../test/mutants/stryker.ts';
import { killRate, table } from '../test/mutants/table.ts';
import { Tester } from '../test/mutants/tester.ts';
import { luaFiles } from '../test/support/lua-files.ts';
import { seeded, shuffled } from '../test/support/seeded.ts';

/** Of a hundred mutants of the scripts, those that must be killed. */
const LUA_GOAL = 95;

const { values } = parseArgs({
  options: {
    lua: { type: 'boolean', default: false },
    ts: { type: 'boolean', default: false },
    files: { type: 'string' },
    minutes: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    resume: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const results = fileURLToPath(new URL('../test/mutants/results/', import.meta.url));
const files = values.files?.split(',');
const workers = wholeNumber('workers', values.workers, 1);
const seed = wholeNumber('seed', values.seed, 0);
const sample = values.sample === undefined ? Number.POSITIVE_INFINITY : wholeNumber('sample', values.sample, 1);
const minutes = values.minutes === undefined ? Number.POSITIVE_INFINITY : wholeNumber('minutes', values.minutes, 0);
if (values.lua && values.ts) throw new Error('either --lua or --ts');
// A few of the tests also run the program.
if (minutes > 0) execFileSync(process.execPath, ['scripts/build.ts', '--if-changed'], { stdio: 'inherit' });
if (values.ts) {
  const { resume } = values;
  process.exitCode = await stryker({ results, files, sample, minutes, resume, workers, random: seeded(seed) });
} else {
  await lua();
}

async function lua(): Promise<void> {
  const all = [...luaFiles()].flatMap(([file, text]) => luaMutants(file, text));
  const equal = equivalentIds(all, readEquivalents());
  const chosen = all.filter(({ file }) => files === undefined || files.some((name) => `/${file}`.endsWith(`/${name}`)));
  if (chosen.length === 0) throw new Error(`no script is called ${values.files}`);
  // In a random order, so that those of a part of the time tell something about all.
  const mutants = shuffled(chosen, seeded(seed)).slice(0, sample);
  const file = `${results}lua.jsonl`;
  if (!values.resume) rmSync(file, { force: true });
  const records = readRecords(file, all);
  const tests = testsHash();
  const todo = mutants.filter(({ id }) => {
    const known = records.get(id);
    return !equal.has(id) && (!known || !isSettled(known, tests));
  });
  if (todo.length > 0 && minutes > 0) {
    const testers = Array.from({ length: workers }, () => new Tester());
    const stop = () => {
      for (const tester of testers) tester.stop();
    };
    process.once('exit', stop);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    const run = new LuaRun(await whatIsReached(testers, `${results}reached.json`));
    const begun = performance.now();
    const deadline = begun + minutes * 60_000;
    let done = 0;
    await Promise.all(
      testers.map(async (tester) => {
        for (let mutant = todo.shift(); mutant && performance.now() < deadline; mutant = todo.shift()) {
          const id = mutant.id;
          const record = await run
            .try(mutant, tester)
            .catch((error: Error) => console.log(`no answer: ${id}: ${error.message}`));
          if (!record) continue;
          appendRecord(file, record);
          records.set(id, record);
          done++;
          const { end, test = '', ms } = record;
          console.log(`${done} ${end} in ${(ms / 1_000).toFixed(1)} s: ${id}  ${mutant.change}  ${test}`);
        }
      }),
    );
    const seconds = (performance.now() - begun) / 1_000;
    console.log(`${done} mutants in ${Math.round(seconds)} s, ${(seconds / Math.max(1, done)).toFixed(1)} s each\n`);
    stop();
  }
  const shown: LuaMutant[] = Number.isFinite(sample) ? mutants : chosen;
  console.log(table(shown, records, equal));
  const rate = killRate(shown, records, equal);
  const result =
    rate === undefined
      ? 'None was tried'
      : `${rate.toFixed(1)} % killed of those that were tried and are not equivalent`;
  console.log(`\n${result}; there should be ${LUA_GOAL} %`);
  process.exitCode = rate === undefined || rate < LUA_GOAL ? 1 : 0;
}

function wholeNumber(name: string, text: string, least: number): number {
  if (!/^\d+$/.test(text) || Number(text) < least) throw new Error(`--${name} must be a whole number from ${least} on`);
  return Number(text);
}
