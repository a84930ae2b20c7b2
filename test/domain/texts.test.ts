import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText } from '../../src/domain/cut-text.ts';
import { nearest } from '../../src/domain/names.ts';
import { maskedLine } from '../../src/domain/secrets.ts';
import { shellWord } from '../../src/domain/shell.ts';
import { utf8Problem, utf8Text } from '../../src/domain/text.ts';

describe('a word of a shell command', () => {
  it('quotes any word so that a shell reads it back unchanged', () => {
    const words = ['', 'a b', "it's", '$HOME', '`x`', 'a\nb', '-n', 'a"b', '\\', "'", '*', '# x', 'ü'];
    const text = execFileSync('sh', ['-c', `printf '%s|' ${words.map(shellWord).join(' ')}`], { encoding: 'utf8' });
    expect(text).toBe(words.map((word) => `${word}|`).join(''));
  });

  it('quotes a word only if that is required', () => {
    expect(shellWord('mac-1:/a_b/c.d=e@f')).toBe('mac-1:/a_b/c.d=e@f');
    for (const word of [' a', 'a ', 'a;', ';a', '']) expect(shellWord(word)).toBe(`'${word}'`);
  });
});

describe('a cut text', () => {
  it('never ends with half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, length) => {
        const cut = cutText(text, length);
        expect(cut.isWellFormed()).toBe(true);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, length - 1));
        expect(cut.length).toBeLessThanOrEqual(length);
      }),
    );
    expect([cutText('a😀b', 2), cutText('a😀b', 3), cutText('a😀', 3)]).toEqual(['a', 'a😀', 'a😀']);
  });

  it('never has half a character at the end of a masked line', () => {
    const line = 'x😀'.repeat(2_000);
    for (const length of [98, 99, 100]) {
      const masked = maskedLine((text) => text, line, length);
      expect([masked.isWellFormed(), masked.endsWith('…')]).toEqual([true, true]);
    }
  });
});

describe('bytes', () => {
  it('decodes UTF-16 by either byte order mark', () => {
    const isUtf16 = (...bytes: number[]) => utf8Problem(Buffer.from(bytes))?.startsWith('is UTF-16') ?? false;
    expect([isUtf16(0xff, 0xfe, 0x61), isUtf16(0xfe, 0xff, 0x61)]).toEqual([true, true]);
    expect([isUtf16(0xff, 0xff), isUtf16(0xfe, 0xfe), isUtf16(0xff, 0x61), isUtf16(0x61, 0xfe)]).not.toContain(true);
    expect([isUtf16(0xfe, 0x61), isUtf16(0x61, 0xff)]).not.toContain(true);
  });

  it('refuses bytes that are no text, and names the line', () => {
    expect(() => utf8Text(Buffer.from([0x61, 0x0a, 0xe9, 0x0a]))).toThrow('line 2 is not UTF-8 text');
    expect(() => utf8Text(Buffer.from('a\nb\n\0'))).toThrow('line 3 contains NUL bytes');
    expect(utf8Text(Buffer.from('\ufeffa\nü'))).toBe('a\nü');
  });
});

describe('the nearest name', () => {
  it('allows as edits a third of the letters, but at least one', () => {
    expect(nearest('ab', ['ax'])).toBe('ax');
    expect(nearest('ab', ['xy'])).toBeUndefined();
    expect(nearest('abcdef', ['abcdxy'])).toBe('abcdxy');
    expect(nearest('abcdef', ['abcxyz'])).toBeUndefined();
    expect(nearest('abcdef', ['abcdefgh'])).toBe('abcdefgh');
    expect(nearest('abcdef', ['abcd'])).toBe('abcd');
    expect(nearest('abcdef', ['abc'])).toBeUndefined();
  });

  it('finds the closest name, the first among equals, and ignores case', () => {
    expect(nearest('abcdef', ['abcdxy', 'abcdex', 'abcdey'])).toBe('abcdex');
    expect(nearest('POOL', ['pool'])).toBe('pool');
  });

  it('finds a word with one letter added, changed or left out', () => {
    const word = fc.stringMatching(/^[a-z]{4,12}$/);
    fc.assert(
      fc.property(word, fc.nat(), fc.stringMatching(/^[A-Z]$/), (text, n, letter) => {
        const at = n % text.length;
        const [before, behind] = [text.slice(0, at), text.slice(at)];
        for (const slip of [before + letter + behind, before + letter + behind.slice(1), before + behind.slice(1)]) {
          expect(nearest(slip, [text])).toBe(text);
        }
      }),
    );
  });
});
