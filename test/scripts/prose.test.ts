import { describe, expect, it } from 'vitest';
import { lint } from '../../scripts/prose/lint.ts';
import { EXCEPTIONS } from '../../scripts/prose/rules.ts';

const found = (file: string, ...lines: string[]) =>
  lint(file, lines.join('\n')).map(({ line, found: words }) => `${line} ${words}`);

describe('prose of a TypeScript file', () => {
  it.each([
    ['// the run goes on', 'goes on'],
    ['/** Undefined where there is none. */', 'where there is'],
    ["out.note('timed out in vain');", 'in vain'],
    ['log(`the task ${id} is queued anew`);', 'anew'],
    ["log('a task', () => `nobody serves ${pool}`);", 'nobody'],
    ['const life: NodeLife = start();', 'NodeLife'],
    ['await queue.handBack(claim);', 'handBack'],
    ["option('--keep', 'the old queue.keep');", 'queue.keep'],
    ["const half = /['`]/; // so many", 'so many'],
    ["const half = a / b; say('for ever');", 'for ever'],
  ])('finds the phrase in %j', (text, words) => {
    expect(found('src/a.ts', text)).toEqual([`1 ${words}`]);
  });

  it.each([
    ['// the folder where it is stored'],
    ['// redis.conf says where it is'],
    ['// it runs so long that Redis drops it'],
    ['// goes on the list'],
    ['// puts the task back in line'],
    ["redis.hset('anew', goesOn);"],
    ['const nobody = users.length === 0;'],
    ["const parts = ['in', 'vain'];"],
    ['const phrase = /goes on/;'],
    ['// @include someone-there'],
  ])('finds nothing in %j', (text) => {
    expect(found('src/a.ts', text)).toEqual([]);
  });

  it('finds a phrase across two lines of a comment, but not across two strings', () => {
    expect(found('src/a.ts', '/**', ' * The run goes', ' * on.', ' */', '// in', '// vain')).toEqual([
      '2 goes on',
      '5 in vain',
    ]);
    expect(found('src/a.ts', "log('it goes', 'on and on');")).toEqual([]);
  });

  it('names the better word', () => {
    expect(lint('src/a.ts', '// A void claim.')).toEqual([
      { file: 'src/a.ts', line: 1, found: 'void claim', better: 'orphaned claim' },
    ]);
  });
});

describe('prose of a test', () => {
  it('is found in titles, also of tables and after type arguments, and not in other strings', () => {
    const lines = [
      "describe('whoever asks', () => {",
      "  it('waits in vain', () => expect(printed).toBe('nobody'));",
      "  it.each<[string, object]>([['somebody', {}]])('starts %s anew', () => {});",
      "  it.skipIf(process.platform === 'linux')(",
      '    `goes on`,',
      '    () => {},',
      '  );',
      '});',
    ];
    expect(found('test/a.test.ts', ...lines)).toEqual(['1 whoever', '2 in vain', '3 anew', '5 goes on']);
  });
});

describe('prose of a Lua script', () => {
  it('is found in comments, and not in strings', () => {
    expect(found('src/a.lua', "local a = 'nobody -- anew' -- goes", '-- on', '--[[ in vain ]]')).toEqual([
      '1 goes on',
      '3 in vain',
    ]);
  });
});

describe('prose of a page', () => {
  const words = (count: number) => Array.from({ length: count }, () => 'a').join(' ');

  it('excludes code, except for old names', () => {
    expect(found('docs/a.md', 'Use `goes on`:', '```', 'goes on', '```', 'Set `queue.keep`.')).toEqual([
      '5 queue.keep',
    ]);
  });

  it('has at most 40 words in a sentence, of a paragraph or an item of a list', () => {
    const lines = [`${words(40)}.`, '', `${words(20)}`, `${words(21)}. Short.`, `- ${words(30)}`, `- ${words(30)}`];
    expect(found('docs/a.md', ...lines)).toEqual(['3 a a a a a … (41 words)']);
  });

  it('has at most 120 columns in a line outside of tables and code', () => {
    const long = 'x'.repeat(121);
    expect(found('docs/a.md', long.slice(1), long, '', `| ${long} |`, '', '```', long, '```')).toEqual([
      '2 121 columns',
    ]);
    expect(found('src/a.ts', `// ${long}`)).toEqual([]);
  });
});

it('has at most a dozen exceptions from the rules of prose, each with a reason', () => {
  expect(EXCEPTIONS.length).toBeLessThanOrEqual(12);
  expect(EXCEPTIONS.every(({ why }) => why.length > 5)).toBe(true);
});
