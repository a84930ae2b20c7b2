import { describe, expect, it } from 'vitest';
import { utf8Text, wellFormedJson } from '../../src/domain/text.ts';
import { parseNewTask } from '../../src/queue/new-task.ts';

const defaults = { attempts: 3 };

describe('a task whose text contains half a character', () => {
  it.each([
    ['message', { message: 'cut \ud83d' }],
    ['message', { message: '\ude00 cut' }],
    ['key', { message: 'x', key: 'a\ud83d' }],
    ['tags.a', { message: 'x', tags: { a: '\udc00' } }],
    ['agent', { message: 'x', agent: '\ud83d' }],
    ['session', { message: 'x', session: '\ud83d' }],
    ['model', { message: 'x', model: '\ud83d' }],
    ['thinking', { message: 'x', thinking: '\ud83d' }],
    ['node', { message: 'x', node: 'mac\ud83d' }],
    ['pool', { message: 'x', pool: 'p\ud83d' }],
    ['require.xcode', { message: 'x', require: { xcode: '\ud83d' } }],
    ['after.0', { message: 'x', after: ['\ud83d'] }],
    ['delay', { message: 'x', delay: '1s\ud83d' }],
    ['tags.\ud83d', { message: 'x', tags: { '\ud83d': 'a' } }],
    ['require.\ud83d', { message: 'x', require: { '\ud83d': 'a' } }],
    ['\ud83d', { message: 'x', '\ud83d': 'a' }],
  ])('refuses half a character, and names %s', (field, input) => {
    // As a line of a file, a request and a program's call give it.
    for (const given of [input, JSON.parse(JSON.stringify(input))]) {
      const task = parseNewTask(given, defaults);
      if (!('problems' in task)) throw new Error('it was taken');
      expect(task.problems.join('\n')).toContain(`${field}: `);
    }
  });

  it('accepts whole characters of every plane', () => {
    const message = 'é😀\u{10ffff}\u0000\ufffd';
    expect(parseNewTask({ message, key: '😀', tags: { a: '😀' } }, defaults)).toMatchObject({ message, key: '😀' });
  });
});

describe('JSON for scripts', () => {
  it('contains whole characters only, at any depth, and otherwise equals JSON.stringify', () => {
    const value = { a: ['x\ud83d', { b: 'é😀' }], n: 1, t: true, z: null };
    expect(wellFormedJson(value)).toBe(JSON.stringify({ ...value, a: ['x\ufffd', { b: 'é😀' }] }));
  });
});

describe('bytes of a text file', () => {
  it('reads the bytes as UTF-8, without a byte order mark', () => {
    expect(utf8Text(Buffer.from('\ufeffcafé 😀'))).toBe('café 😀');
    expect(utf8Text(Buffer.alloc(0))).toBe('');
  });

  it.each([
    ['Latin-1', Buffer.from('a\ncaf\xe9\n', 'latin1'), /^line 2 is not UTF-8 text/],
    ['half a character at the end', Buffer.from('é').subarray(0, 1), /^line 1 is not UTF-8 text/],
    ['an encoded surrogate', Buffer.from([0xed, 0xa0, 0xbd]), /^line 1 is not UTF-8 text/],
    ['UTF-16 with a mark', Buffer.from('\ufeffhello', 'utf16le'), /is UTF-16 text, expected UTF-8/],
    ['UTF-16 without one', Buffer.from('hello', 'utf16le'), /contains NUL bytes/],
  ])('refuses bytes that are %s, and names the encoding', (_, bytes, problem) => {
    expect(() => utf8Text(bytes)).toThrow(problem);
  });
});
