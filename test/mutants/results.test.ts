import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder } from '../support/folders.ts';
import { luaFiles } from '../support/lua-files.ts';
import { equivalentIds, readEquivalents } from './equivalents.ts';
import { luaMutants } from './lua-mutants.ts';
import { appendRecord, isSettled, type Record, readRecords, textHash } from './records.ts';
import { strykerTable } from './stryker-table.ts';
import { killRate, table } from './table.ts';

const mutants = luaMutants('x.lua', "if a < 2 then\n  return 'b'\nend\nreturn c()");

function record(index: number, fields: Partial<Record> = {}): Record {
  const mutant = mutants[index];
  if (!mutant) throw new Error(`no mutant ${index}`);
  return { id: mutant.id, text: textHash(mutant), tests: 't', end: 'killed', by: 'unit', ms: 1, ...fields };
}

describe('results of mutants', () => {
  it('reads back the last result of each mutant, without those of other texts and half a line', () => {
    const file = join(emptyFolder(), 'deep', 'lua.jsonl');
    appendRecord(file, record(0, { end: 'survived' }));
    appendRecord(file, record(1));
    appendRecord(file, record(2, { text: 'another' }));
    appendRecord(file, record(0));
    appendFileSync(file, '{"id":"x.lua:1');
    expect([...readRecords(file, mutants).values()]).toEqual([record(0), record(1)]);
    expect(readRecords(join(emptyFolder(), 'none'), mutants).size).toBe(0);
  });

  it('keeps the result of a killed mutant for good, and others for as long as the tests are the same', () => {
    expect(isSettled(record(0), 'other')).toBe(true);
    expect(isSettled(record(0, { end: 'hangs' }), 'other')).toBe(true);
    expect(isSettled(record(0, { end: 'survived' }), 't')).toBe(true);
    expect(isSettled(record(0, { end: 'survived' }), 'other')).toBe(false);
    expect(isSettled(record(0, { end: 'unreached' }), 'other')).toBe(false);
  });

  it('counts results by script, equivalent ones apart, and lists survivors', () => {
    const records = new Map([
      [record(0).id, record(0, { by: 'model' })],
      [record(1).id, record(1, { end: 'survived' })],
      [record(2).id, record(2, { end: 'unreached' })],
      [record(3).id, record(3, { end: 'hangs' })],
    ]);
    expect(killRate(mutants, new Map(), new Set())).toBeUndefined();
    expect(killRate(mutants, records, new Set())).toBe(50);
    expect(killRate(mutants, records, new Set([record(1).id]))).toBeCloseTo(66.7, 1);
    const text = table(mutants, records, new Set([record(1).id, record(3).id]));
    const all = text.split('\n').find((line) => line.startsWith('all'));
    expect(all?.split(/ +/)).toEqual(['all', `${mutants.length}`, '4', '2', '66.7', '1', '0', '1', '0', '1', '1']);
    expect(text).toContain(`unreached ${record(2).id}: `);
    expect(text).not.toContain(`survived ${record(1).id}`);
    expect(text).toContain(`not equivalent, as test/mutants/equivalent.json says: ${record(3).id}`);
  });
});

describe('what Stryker reports', () => {
  it('counts by file without code that runs only once, and lists survivors with their change', () => {
    const mutant = (status: string, column: number) => ({
      mutatorName: 'EqualityOperator',
      replacement: 'a >= b',
      status,
      location: { start: { line: 2, column }, end: { line: 2, column: column + 5 } },
    });
    const mutants = ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'Ignored', 'Pending'].map((status) =>
      mutant(status, 4),
    );
    const source = 'x\nif a > b then';
    const text = strykerTable(JSON.stringify({ files: { 'src/a.ts': { source, mutants, language: 'ts' } } }));
    const [, row, all, , ...left] = text.split('\n');
    expect(row?.split(/ +/)).toEqual(['src/a.ts', '6', '2', '50.0', '1', '1', '1', '1']);
    expect(all?.split(/ +/).slice(1)).toEqual(row?.split(/ +/).slice(1));
    expect(left).toEqual([
      'survived src/a.ts:2:4 EqualityOperator: a > b → a >= b',
      'unreached src/a.ts:2:4 EqualityOperator: a > b → a >= b',
    ]);
    const undecided = { files: { 'src/a.ts': { source, mutants: [mutant('Ignored', 4)] } } };
    const [, none] = strykerTable(JSON.stringify(undecided)).split('\n');
    expect(none?.split(/ +/).slice(0, 4)).toEqual(['src/a.ts', '1', '0', '-']);
  });
});

describe('equivalent mutants', () => {
  it('finds equivalent mutants by the entries of their file, wherever the line has moved', () => {
    const moved = luaMutants('x.lua', "\n\nif a < 2 then\n  return 'b'\nend");
    const entry = {
      file: 'x.lua',
      kind: 'comparison',
      code: 'if a < 2 then',
      change: '< → <=',
      reason: 'because it is',
    };
    expect([...equivalentIds(moved, [entry])]).toEqual(['x.lua:3:6 comparison']);
    expect(() => equivalentIds(moved, [{ ...entry, code: 'if a < 3 then' }])).toThrow(
      /names mutants that there are not/,
    );
  });

  it('finds a current mutant for each entry of the file', () => {
    const all = [...luaFiles()].flatMap(([file, text]) => luaMutants(file, text));
    expect(() => equivalentIds(all, readEquivalents())).not.toThrow();
  });
});
