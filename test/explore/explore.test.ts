import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLua } from '../../src/redis/scripts.ts';
import { ExploredRedis } from './explored-redis.ts';
import { replay, walk } from './explorer.ts';
import { REAL_LINE } from './virtual-redis.ts';
import { WAYS } from './ways.ts';
import { WORLDS } from './worlds.ts';

describe('what is explored', () => {
  it('differs from what is shipped by the one line that reads the clock', () => {
    const folder = new URL('../../src/redis/lua/', import.meta.url);
    const names = readdirSync(folder).filter((name) => name.endsWith('.lua'));
    expect(names.length).toBeGreaterThan(25);
    for (const name of names) {
      const text = readLua(name.replace('.lua', ''));
      const clocks = text.match(/'TIME'/g) ?? [];
      expect(text.split(REAL_LINE).length - 1, name).toBe(clocks.length);
    }
  });
});

describe('a small world', () => {
  let redis: ExploredRedis;
  beforeAll(async () => {
    redis = await ExploredRedis.start();
  });
  afterAll(() => redis.stop());

  it.each(WORLDS)('keeps every promise on random ways, and everything ends ($name)', async (spec) => {
    const seed = Number(process.env.CLAWMESH_EXPLORE_SEED ?? '1');
    const walks = ['session', 'pools', 'circuit'].includes(spec.name) ? 80 : 20;
    const seen = await walk(spec, { redis, walks, length: 40, seed });
    expect(seen.broken).toBeUndefined();
    expect(seen.kinds.size).toBeGreaterThan(20);
  });

  it.each(WAYS)('keeps its promises on a way that once broke one: $was', async ({ world, steps }) => {
    const spec = WORLDS.find(({ name }) => name === world);
    if (!spec) throw new Error(`no world ${world}`);
    const line = redis.connect();
    try {
      expect(await replay(spec, line, steps)).toBeUndefined();
    } finally {
      line.disconnect();
    }
  });
});
