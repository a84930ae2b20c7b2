import { describe, expect, it } from 'vitest';
import { aclCommands } from '../../src/redis/acl.ts';
import { luaFiles } from '../support/lua-files.ts';

describe('the Redis rights of a node', () => {
  it('cover every command that a script calls, also where that rarely happens', () => {
    const called = [...luaFiles().values()].flatMap((text) =>
      [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()),
    );
    expect(called.length).toBeGreaterThan(100);
    expect([...new Set(called)].filter((name) => !aclCommands('node').includes(name)).sort()).toEqual([]);
  });
});
