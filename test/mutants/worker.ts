import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BaseSequencer, createVitest, type TestModule, type TestSpecification } from 'vitest/node';
import { marksOf } from './lua-marks.ts';
import { type Answer, BY_TEST, type Order, type Unit } from './units.ts';

/** Keeps the order that the specifications are handed over in. */
class AsGiven extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files;
  }
}

const folder = process.env.CLAWMESH_TEST_FOLDER ?? '';
const overlayFile = join(folder, 'overlay.json');
process.env.CLAWMESH_LUA_OVERLAY = overlayFile;
// Its parent was killed: it ends with everything that it has started itself, whose group it leads.
process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'));

const vitest = await createVitest('test', {
  config: new URL('vitest.config.ts', import.meta.url).pathname,
  sequence: { sequencer: AsGiven },
});
const project = vitest.getRootProject();

// Asked for the units that there are, or to run some.
process.on('message', (order: Order | 'units') => {
  (order === 'units' ? units() : run(order)).then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.send?.('ready');

async function units(): Promise<Unit[]> {
  writeFileSync(overlayFile, '{}');
  const all = await vitest.globTestSpecifications();
  const fileOf = ({ moduleId }: TestSpecification) => relative(vitest.config.root, moduleId);
  const [byTest, whole] = [true, false].map((is) => all.filter((one) => BY_TEST.test(fileOf(one)) === is));
  const { testModules } = await vitest.collectTests(byTest ?? []);
  return [
    ...testModules.flatMap((module) =>
      [...module.children.allTests()].map(({ fullName }) => ({ file: module.relativeModuleId, test: fullName })),
    ),
    ...(whole ?? []).map((one) => ({ file: fileOf(one) })),
  ];
}

async function run({ overlay, units, marks = false }: Order): Promise<Answer> {
  writeFileSync(overlayFile, JSON.stringify(overlay));
  const begun = performance.now();
  let failed: Answer['failed'];
  for (const round of rounds(units)) failed ??= await firstFailure(round);
  const ms = Math.round(performance.now() - begun);
  const found = marks ? readMarks() : [];
  for (const name of readdirSync(folder)) {
    if (name.startsWith('t-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
  return { failed, ms, marks: found };
}

/** Vitest runs a file once at a time: of each first what stands first, then the others together. */
function rounds(units: readonly Unit[]): Unit[][] {
  const firsts = units.filter((unit, i) => units.findIndex(({ file }) => file === unit.file) === i);
  return [firsts, units.filter((unit) => !firsts.includes(unit))].filter((round) => round.length > 0);
}

async function firstFailure(units: readonly Unit[]): Promise<Answer['failed']> {
  vitest.state.filesMap.clear();
  const files = [...new Set(units.map(({ file }) => file))];
  const specifications = files.map((file) => {
    const names = units.filter((unit) => unit.file === file).flatMap(({ test }) => test ?? []);
    return project.createSpecification(join(vitest.config.root, file), names.length > 0 ? { testNames: names } : {});
  });
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const failed = firstFailed(testModules, unhandledErrors, units);
  // Else a mutant would pass for survived whose tests have not run.
  const passed = testModules.filter((module) => [...module.children.allTests('passed')].length > 0);
  if (!failed && passed.length < files.length)
    throw new Error(`only ${passed.length} of ${files.length} files have run`);
  return failed;
}

function firstFailed(
  modules: readonly TestModule[],
  errors: readonly unknown[],
  units: readonly Unit[],
): Answer['failed'] {
  for (const module of modules) {
    const unit = (test: string) =>
      units.find((one) => one.file === module.relativeModuleId && (one.test === undefined || one.test === test));
    for (const test of module.children.allTests('failed')) {
      const [reason] = test.result().errors ?? [];
      return named(unit(test.fullName) ?? { file: module.relativeModuleId }, test.fullName, reason?.message);
    }
    const [reason] = module.errors();
    if (module.state() === 'failed')
      return named(unit('') ?? { file: module.relativeModuleId }, '(file)', reason?.message);
  }
  const [first] = units;
  return errors.length > 0 && first ? named(first, '(outside)', String(errors[0])) : undefined;
}

function named(unit: Unit, test: string, reason = 'no reason given') {
  return { unit, test, reason: (reason.split('\n', 1)[0] ?? '').slice(0, 200) };
}

function readMarks(): string[] {
  const logs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('redis.log'));
  return [...new Set(logs.flatMap((name) => marksOf(readFileSync(join(folder, name), 'latin1'))))];
}
