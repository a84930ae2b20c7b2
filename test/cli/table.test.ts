import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { cutToCells } from '../../src/cli/cells.ts';
import { idColumn, tableLines } from '../../src/cli/table.ts';

const HALF = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const cell = fc
  .array(fc.constantFrom('a', 'Z', '9', ' ', 'ü', '日', '本', '한', '😀', '👩‍👩‍👧', '🇩🇪', 'e\u0301'), { maxLength: 60 })
  .map((parts) => parts.join('').trim());
const table = fc
  .integer({ min: 1, max: 8 })
  .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }));

describe('a table', () => {
  it('is never wider than the terminal, in any script', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 1, max: 120 }), (rows, room) => {
        const columns = (rows[0] ?? []).map((_, index) => (index === 0 ? idColumn('ID') : 'X'));
        const lines = tableLines(columns, rows, room);
        expect(lines).toHaveLength(rows.length);
        for (const line of lines) {
          expect(stringWidth(line)).toBeLessThanOrEqual(room);
          expect(line).not.toMatch(HALF);
        }
      }),
    );
  });

  it('cuts nothing if there is no terminal', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const lines = tableLines(
          (rows[0] ?? []).map(() => 'X'),
          rows,
        );
        for (const [index, row] of rows.entries()) {
          for (const text of row) expect(lines[index]).toContain(text);
        }
      }),
    );
  });

  it('aligns columns by cells, not by characters', () => {
    const lines = tableLines(
      ['A', 'B'],
      [
        ['A', 'B'],
        ['日本語', 'x'],
        ['👩‍👩‍👧', 'x'],
        ['abcdef', 'x'],
      ],
    );
    expect(lines).toEqual(['A       B', '日本語  x', '👩‍👩‍👧      x', 'abcdef  x']);
  });

  it('takes the room from the widest column first', () => {
    const row = ['1', 'failed', 'a message of many words'];
    expect(tableLines(['ID', 'STATE', 'MESSAGE'], [row], 21)).toEqual(['1  failed  a message…']);
    expect(tableLines(['ID', 'STATE', 'MESSAGE'], [row], 13)).toEqual(['1  fai…  a m…']);
  });

  it('keeps both ends of an id that is too wide', () => {
    const [line] = tableLines([idColumn('ID'), 'STATE'], [['01kbv2m6s3v5w8q0r4t7y9z1x2', 'failed']], 20);
    expect(line).toBe('01kbv2…9z1x2  failed');
  });

  it('keeps styles outside of what it cuts', () => {
    const [line = ''] = tableLines(['A', 'B'], [['\u001b[31mfailed state\u001b[39m', 'x']], 9);
    expect(stringWidth(line)).toBeLessThanOrEqual(9);
    expect(line).toBe('\u001b[31mfaile…\u001b[39m  x');
  });
});

describe('a cut by cells', () => {
  it('measures only the beginning of a long text', () => {
    const long = '😀'.repeat(1_000_000);
    expect(cutToCells(long, 10)).toBe('😀😀😀😀…');
    // Combining marks have no width, so the beginning fits; what follows is still marked as cut.
    expect(cutToCells(`a${'\u0301'.repeat(100_000)}b`, 10)).toMatch(/…$/);
  });
});
