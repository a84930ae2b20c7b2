import { describe, expect, it } from 'vitest';
import { cutText } from '../../../src/domain/cut-text.ts';
import { bounded, partOf } from '../../../src/ops/mcp/bounds.ts';

describe('the bounds of a document for a model', () => {
  const bounds = { characters: 3, entries: 2 };

  it('leave a small document as it is', () => {
    const document = { a: 'abc', list: [1, null], deep: { yes: true } };
    expect(bounded({ ...document }, { characters: 3, entries: 3 })).toEqual({ document, cut: [] });
  });

  it('cut texts, lists and maps at every depth, and name each place once', () => {
    const { document, cut } = bounded(
      { list: [{ text: 'abcdef' }, { text: 'ghijkl' }, {}], map: { a: 1, b: 2, c: 3 } },
      bounds,
    );
    expect(document).toEqual({ list: [{ text: 'abc' }, { text: 'ghi' }], map: { a: 1, b: 2 } });
    expect(cut).toEqual(['list: at most 2 entries', 'list[].text: at most 3 characters', 'map: at most 2 members']);
  });

  it('never end a text within a character', () => {
    expect(cutText('ab😀', 3)).toBe('ab');
    expect(cutText('ab😀', 4)).toBe('ab😀');
  });

  it('return a long text in parts that make up the whole', () => {
    const text = '😀a'.repeat(50);
    let whole = '';
    for (let from = 0; from < text.length; ) {
      const part = partOf(text, from, 10);
      expect(part).toMatchObject({ from, length: text.length });
      expect(part.text.isWellFormed()).toBe(true);
      whole += part.text;
      from = part.to;
    }
    expect(whole).toBe(text);
  });

  it('return nothing from behind the end of a text', () => {
    expect(partOf('abc', 9, 10)).toEqual({ text: '', from: 3, to: 3, length: 3 });
  });
});
