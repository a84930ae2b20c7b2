import { describe, expect, it } from 'vitest';
import { luaFiles } from '../support/lua-files.ts';
import { luaMutants } from './lua-mutants.ts';
import { isLua } from './lua-tree.ts';

/** The texts that a script is changed to, of one kind. */
function changed(kind: string, text: string): string[] {
  return luaMutants('x.lua', text)
    .filter((mutant) => mutant.kind.startsWith(kind))
    .map((mutant) => mutant.text);
}

describe('a mutant', () => {
  it('changes a comparison, at its bound or as a whole', () => {
    const flipped = (sign: string) => changed('comparison', `return a ${sign} b`);
    expect(['<', '<=', '>', '>=', '==', '~='].map(flipped)).toEqual([
      ['return a <= b'],
      ['return a < b'],
      ['return a >= b'],
      ['return a > b'],
      ['return a ~= b'],
      ['return a == b'],
    ]);
  });

  it('negates a condition, unless that equals a changed comparison', () => {
    expect(changed('condition', 'if a then b() elseif not c then d() end')).toEqual([
      'if not (a) then b() elseif not c then d() end',
      'if a then b() elseif c then d() end',
    ]);
    expect(changed('condition', 'while a < b do c() end')).toEqual(['while not (a < b) do c() end']);
    expect(changed('condition', 'repeat a() until b')).toEqual(['repeat a() until not (b)']);
    expect(changed('condition', 'if a == b then c() end')).toEqual([]);
  });

  it('exchanges "and" and "or"', () => {
    expect(changed('logic', 'return a and b or c')).toEqual(['return a or b or c', 'return a and b and c']);
  });

  it('removes a call, an assignment, a return or a break, but no declaration', () => {
    const text = 'local a = f()\na = 2\nf(a)\nfor i = 1, 2 do\n  break\nend\nif a then\n  return a\nend';
    expect(changed('statement', text)).toEqual([
      text.replace('\na = 2', '\n'),
      text.replace('\nf(a)', '\n'),
      text.replace('break', ''),
      text.replace('return a', ''),
    ]);
  });

  it('adds or subtracts one, and replaces a large number by zero', () => {
    expect(changed('number', 'return f(ARGV[2], -20)')).toEqual([
      'return f(ARGV[3], -20)',
      'return f(ARGV[1], -20)',
      'return f(ARGV[2], -21)',
      'return f(ARGV[2], -19)',
    ]);
    expect(changed('number', 'return 0xffff')).toEqual(['return 1']);
  });

  it('uses another key: of KEYS, of a table of keys, of the names', () => {
    expect(changed('key', 'return f(KEYS[1], KEYS[3])')).toEqual([
      'return f(KEYS[3], KEYS[3])',
      'return f(KEYS[1], KEYS[1])',
    ]);
    expect(changed('key', 'return f(KEYS[1])')).toEqual(['return f(KEYS[2])']);
    expect(changed('key', 'return f(keys[2], keys[5])')).toEqual([
      'return f(keys[5], keys[5])',
      'return f(keys[2], keys[2])',
    ]);
    expect(changed('key', 'return f(names.held, names.free)')).toEqual([
      'return f(names.free, names.free)',
      'return f(names.held, names.held)',
    ]);
  });

  it('uses another local that holds a key and is known at the place', () => {
    const text = `local n, wait = 1, KEYS[1]
f(wait)
local function g(jobKey)
  local lock = jobKey .. ':lock'
  return f(lock, n)
end
local late = KEYS[1]`;
    expect(changed('key', text).filter((mutated) => !mutated.includes('KEYS[2]'))).toEqual([
      text.replace("= jobKey .. ':lock'", "= wait .. ':lock'"),
      text.replace('f(lock, n)', 'f(jobKey, n)'),
    ]);
  });

  it('changes a constant of a result, a field or a key, but no command, option or pattern', () => {
    const text = "redis.call('HSET', 'a:b', 'MAXLEN', '~', string.match(c, '^x'), '', '0')\nreturn 'gone'";
    expect(changed('string', text)).toEqual([
      text.replace("'a:b'", "'a:b~'"),
      text.replace("''", "'~'"),
      text.replace("'0'", "'1'"),
      text.replace("'gone'", "'gone~'"),
    ]);
  });

  it('renames a field of a table', () => {
    expect(changed('field', 'return f({at = 1, 2, [a] = 3})')).toEqual(['return f({at_ = 1, 2, [a] = 3})']);
  });

  it('is identified by place and kind, and shows its change, even behind characters beyond ASCII', () => {
    const [mutant] = luaMutants('x.lua', "-- … ↔ …\nif '…' .. a == b then c() end");
    expect(mutant).toMatchObject({
      id: 'x.lua:2:4 string',
      code: "if '…' .. a == b then c() end",
      change: "'…' → '…~'",
      text: "-- … ↔ …\nif '…~' .. a == b then c() end",
    });
  });

  it('never changes a comment', () => {
    expect(luaMutants('x.lua', "--[[ if a == 1 then b('c') end ]]\n-- f(KEYS[1])\n")).toEqual([]);
  });
});

describe('the mutants of the scripts', () => {
  const all = [...luaFiles()].map(([file, text]) => ({ file, text, mutants: luaMutants(file, text) }));

  it('generates valid Lua that differs from the script and from every other mutant', () => {
    for (const { file, text, mutants } of all) {
      const texts = mutants.map((mutant) => mutant.text);
      expect(new Set([text, ...texts]).size, file).toBe(texts.length + 1);
      expect(texts.every(isLua), file).toBe(true);
    }
  });

  it('generates mutants of every kind, with unique ids that are the same in each run', () => {
    const mutants = all.flatMap((one) => one.mutants);
    expect(new Set(mutants.map(({ kind }) => kind)).size).toBe(9);
    const ids = mutants.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(all.flatMap(({ file, text }) => luaMutants(file, text)).map(({ id }) => id)).toEqual(ids);
  });

  it('refuses a text that is not Lua', () => {
    expect(() => luaMutants('x.lua', 'if a then')).toThrow('no Lua');
  });
});
