import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BoundedLines } from '../../src/runners/bounded-lines.ts';

/** The lines of a stream that arrives in these chunks. */
const linesOf = (maxBytes: number, ...chunks: (string | Buffer)[]) => {
  const lines: string[] = [];
  const cut = new BoundedLines(maxBytes, (line) => lines.push(line));
  for (const chunk of chunks) cut.push(Buffer.from(chunk));
  cut.end();
  return lines;
};

it.each([
  [['a\nb\n'], ['a', 'b']],
  [
    ['a', 'b', '\n', 'c'],
    ['ab', 'c'],
  ],
  [['\n\na'], ['', '', 'a']],
  [['a\r\n'], ['a\r']],
  [[''], []],
])('cuts the chunks %j into the lines %j', (chunks, lines) => {
  expect(linesOf(5, ...chunks)).toEqual(lines);
});

it.each([
  [['12345\nx'], ['12345', 'x']],
  [['123456\nx'], ['12345…', 'x']],
  [
    ['12345', '6', '789\nx'],
    ['12345…', 'x'],
  ],
  [['1234567'], ['12345…']],
  [['1234567\n'], ['12345…']],
])('keeps 5 bytes of a longer line, and marks the cut: %j gives %j', (chunks, lines) => {
  expect(linesOf(5, ...chunks)).toEqual(lines);
});

it('passes on a line that is too long before it has ended', () => {
  const lines: string[] = [];
  const cut = new BoundedLines(5, (line) => lines.push(line));
  cut.push(Buffer.from('12345'));
  expect(lines).toEqual([]);
  cut.push(Buffer.from('6'));
  expect(lines).toEqual(['12345…']);
});

it('drops a character that its limit would cut in two, and keeps one that two chunks share', () => {
  const euro = Buffer.from('€');
  expect(linesOf(4, 'xx€y')).toEqual(['xx…']);
  expect(linesOf(9, euro.subarray(0, 1), euro.subarray(1), '\n')).toEqual(['€']);
});

it('carries no line of one stream over into the next', () => {
  const lines: string[] = [];
  const cut = new BoundedLines(5, (line) => lines.push(line));
  for (const stream of ['1234567', 'next']) {
    cut.push(Buffer.from(stream));
    cut.end();
  }
  expect(lines).toEqual(['12345…', 'next']);
});

it('gives the same lines whatever chunks a stream arrives in', () => {
  const streams = fc.array(fc.constantFrom('a', 'ü', '€', '\n', 'long enough'), { maxLength: 12 });
  fc.assert(
    fc.property(streams, fc.integer({ min: 1, max: 4 }), (parts, size) => {
      const bytes = Buffer.from(parts.join(''));
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
        bytes.subarray(n * size, (n + 1) * size),
      );
      expect(linesOf(6, ...chunks)).toEqual(linesOf(6, bytes));
    }),
  );
});
