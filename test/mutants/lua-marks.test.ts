import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { luaFiles } from '../support/lua-files.ts';
import { SpawnedRedis } from '../support/redis.ts';
import { LuaMarks, marksOf } from './lua-marks.ts';
import { isLua } from './lua-tree.ts';

const SCRIPT = `-- a comment
local function early(x)
  if x == '1' then return 'one' end
  local y = x .. '!'
  return y
end
for i = 1, 2 do
  if ARGV[i] == '3' then
    return 'three'
  end
end
return early(ARGV[1])`;

describe('marks in a script', () => {
  it('records which parts of a script have run, and changes no key', async () => {
    const marks = new LuaMarks('x.lua', SCRIPT);
    const at = (part: string) => marks.at(SCRIPT.indexOf(part));
    const server = await SpawnedRedis.start();
    const redis = new Redis(server.url);
    const log = () => marksOf(readFileSync(join(server.folder, 'redis.log'), 'utf8'));
    try {
      expect(await redis.eval(marks.text, 0, '1', '2')).toBe('one');
      expect(log().sort()).toEqual(
        [at('local function'), at("x == '1'"), at("return 'one'"), at("== '3'"), at('early(ARGV')].sort(),
      );
      expect(await redis.eval(marks.text, 0, '2', '2')).toBe('2!');
      expect(log()).toContain(at('local y'));
      expect(log()).toContain(at('return y'));
      expect(log()).not.toContain(at("'three'"));
      expect(await redis.dbsize()).toBe(0);
    } finally {
      redis.disconnect();
      await server.stop();
    }
  });

  it('leaves every script valid Lua, with the line that reads the clock unchanged', () => {
    for (const [name, text] of luaFiles()) {
      const marked = new LuaMarks(name, text).text;
      expect(isLua(marked), name).toBe(true);
      expect(marked.split("redis.call('TIME')").length, name).toBe(text.split("redis.call('TIME')").length);
    }
  });
});
