import { describe, expect, it } from 'vitest';
import { anchorsOf, parsePage } from './markdown.ts';
import { difference, idsShown } from './shape.ts';

const lines = (text: string) => text.split('\n');

describe('the comparison of documented and real output', () => {
  it('accepts other numbers, ids, times, durations, paths and nodes', () => {
    const shown = lines('task 01m87r2v8tq1d6m3n5x7z9c2f4 ran on mac-1 for 1.3 ms at 2026-11-24T21:19:42.061Z in /a/b');
    const real = lines('task 01m8ge8c4fqj5smegr0sdve7z4 ran on node-3 for 2m 5s at 2027-01-01T00:00:00.000Z in /c/d/e');
    expect(difference(shown, real)).toBeUndefined();
  });

  it('accepts more rows of the same kind, and other text in MESSAGE', () => {
    const shown = lines('ID  STATE   MESSAGE\n1   failed  review PR 12');
    const real = lines('ID   STATE   MESSAGE\n17   failed  fail invalid\n171  failed  x');
    expect(difference(shown, real)).toBeUndefined();
  });

  it.each([
    ['another word', 'mac-1 is up', 'mac-1 is dead'],
    ['a missing column', 'ID  STATE\n1   up', 'ID  STATE  GATES\n1   up'],
    ['another state in a row', 'ID  STATE\n1   up', 'ID  STATE\n1   dead'],
    ['a line that the page does not show', 'mac-1 is up', 'mac-1 is up\nand a remark'],
    ['a line that is not printed', 'mac-1 is up\nand a remark', 'mac-1 is up'],
    ['a field that the JSON does not have', '{"tasks":[{"id":"1"}]}', '{"tasks":[{"key":"1"}]}'],
    ['a field of another type', '{"up":1}', '{"up":"1"}'],
  ])('finds %s', (_, shown, real) => {
    expect(difference(lines(shown), lines(real))).toBeDefined();
  });

  it('lets … stand for any number of lines, but not for the lines after it', () => {
    expect(difference(lines('first\n…\nlast'), lines('first\na\nb\nlast'))).toBeUndefined();
    expect(difference(lines('first\n…\nlast'), lines('first\nlast'))).toBeUndefined();
    expect(difference(lines('first\n…'), lines('first'))).toBeUndefined();
    expect(difference(lines('first\n…\nlast'), lines('first\na\nb'))).toBeDefined();
  });

  it('takes any text for the answer of an agent, but requires one', () => {
    const shown = lines('queued 01m87r2v8tq1d6m3n5x7z9c2f4 in pool default\nHello!');
    const real = (answer: string) => lines(`queued 01m8ge8c4fqj5smegr0sdve7z4 in pool default\n${answer}`);
    expect(difference(shown, real('say hello'), { answers: true })).toBeUndefined();
    expect(difference(shown, real(''), { answers: true })).toBeDefined();
  });

  it('pairs the ids of a page with the real ones in their places', () => {
    const [a, b] = ['01m87r2v8tq1d6m3n5x7z9c2f4', '01m8ge8c4fqj5smegr0sdve7z4'];
    expect(idsShown([`queued ${a}`], [`queued ${b}`]).get(a)).toBe(b);
  });
});

describe('a page', () => {
  it('has blocks with the mark before them, and prose without comments between', () => {
    const { blocks } = parsePage(
      'p',
      '<!-- not run: needs a Mac -->\n\n```sh\na\n```\n\n1. x\n\n   ```sh\n   b\n     c\n   ```\n',
    );
    expect(blocks.map(({ mark, lines: text }) => [mark?.text, text])).toEqual([
      ['needs a Mac', ['a']],
      [undefined, ['b', '  c']],
    ]);
  });

  it('is refused with a mark that gives no reason', () => {
    expect(() => parsePage('p', '<!-- not run -->\n```sh\na\n```\n')).toThrow(
      /p:2: the mark "not run" gives no reason/,
    );
  });

  it('has the anchors that GitHub makes of its headings', () => {
    const page = parsePage('p', '# A `b` (c)\n## What happens when …\n## Same\n## Same\n');
    expect([...anchorsOf(page)]).toEqual(['a-b-c', 'what-happens-when-', 'same', 'same-1']);
  });
});
