import { describe, expect, it } from 'vitest';
import { aclCommands } from '../../src/redis/acl.ts';
import { luaFiles } from '../support/lua-files.ts';

describe('Redis rights of a node', () => {
  it('grants every command that a script calls, even rare ones', () => {
    const called = [...luaFiles().values()].flatMap((text) =>
      [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase()),
    );
    expect(called.length).toBeGreaterThan(100);
    expect([...new Set(called)].filter((name) => !aclCommands('node').includes(name)).sort()).toEqual([]);
  });
});
