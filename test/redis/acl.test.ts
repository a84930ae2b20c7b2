import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aclCommands } from '../../src/redis/acl.ts';

const lua = join(import.meta.dirname, '../../src/redis/lua');

describe('the Redis rights of a node', () => {
  it('cover every command that a script calls, also where that rarely happens', () => {
    const files = readdirSync(lua, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.lua'));
    const called = files.flatMap((file) => {
      const text = readFileSync(join(lua, file), 'utf8');
      return [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase());
    });
    expect(called.length).toBeGreaterThan(100);
    expect([...new Set(called)].filter((name) => !aclCommands('node').includes(name)).sort()).toEqual([]);
  });
});
