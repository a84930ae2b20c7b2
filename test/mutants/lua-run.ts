import { luaFiles } from '../support/lua-files.ts';
import { LuaMarks } from './lua-marks.ts';
import type { LuaMutant } from './lua-mutants.ts';
import { type Reached, testsHash } from './reach.ts';
import { type Record, textHash } from './records.ts';
import type { Tester } from './tester.ts';
import { BY_TEST } from './units.ts';

/** The tests of a mutant hang if they take longer than this many times their time without a mutant, and this on top (ms). */
const GUARD_TIMES = 5;
const GUARD_MS = 120_000;

/** Tries mutants, each on the tests that reach it, those first that are likely to kill it soon. */
export class LuaRun {
  readonly #units: readonly Reached[];
  readonly #marks = new Map([...luaFiles()].map(([name, text]) => [name, new LuaMarks(name, text)]));
  readonly #tests = testsHash();
  /** Per file: how many mutants were tried, and how many each unit has killed. */
  readonly #tried = new Map<string, number>();
  readonly #kills = new Map<string, number>();

  constructor(units: readonly Reached[]) {
    this.#units = units;
  }

  async try(mutant: LuaMutant, tester: Tester): Promise<Record> {
    const units = this.#unitsFor(mutant);
    const line = { id: mutant.id, text: textHash(mutant), tests: this.#tests };
    if (units.length === 0) return { ...line, end: 'unreached', ms: 0 };
    const begun = performance.now();
    const guard = GUARD_MS + GUARD_TIMES * units.reduce((sum, { ms }) => sum + ms, 0);
    const order = { overlay: { [mutant.file]: mutant.text }, units: units.map(({ file, test }) => ({ file, test })) };
    const answer = await tester.run(order, guard);
    const ms = Math.round(performance.now() - begun);
    this.#tried.set(mutant.file, (this.#tried.get(mutant.file) ?? 0) + 1);
    if (answer === 'hangs') return { ...line, end: 'hangs', ms };
    const { failed } = answer;
    if (!failed) return { ...line, end: 'survived', ms };
    const key = `${mutant.file} ${failed.unit.file} ${failed.unit.test ?? ''}`;
    this.#kills.set(key, (this.#kills.get(key) ?? 0) + 1);
    const end = /timed out/i.test(failed.reason) ? 'hangs' : 'killed';
    const by = BY_TEST.test(failed.unit.file) ? 'model' : 'unit';
    return { ...line, end, by, test: `${failed.unit.file} > ${failed.test}`, reason: failed.reason, ms };
  }

  /** By what they take, divided by how likely they kill: the shortest way to the first kill. */
  #unitsFor({ file, start }: LuaMutant): Reached[] {
    const mark = this.#marks.get(file)?.at(start) ?? '';
    const tried = this.#tried.get(file) ?? 0;
    const cost = (unit: Reached) => {
      const kills = this.#kills.get(`${file} ${unit.file} ${unit.test ?? ''}`) ?? 0;
      return (unit.ms * (tried + 1)) / (kills + 0.3);
    };
    return this.#units.filter(({ marks }) => marks.includes(mark)).sort((a, b) => cost(a) - cost(b));
  }
}
