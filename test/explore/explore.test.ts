import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TASK_TRANSITIONS, type TaskTransition } from '../../src/domain/task-state.ts';
import { shippedScripts } from '../support/lua-files.ts';
import { ExploredRedis } from './explored-redis.ts';
import { replay, Seen, walk } from './explorer.ts';
import { RARE_WAYS } from './transitions.ts';
import { REAL_LINE } from './virtual-redis.ts';
import { WAYS, type Way } from './ways.ts';
import { WORLDS } from './worlds.ts';

/** Walks through a world; more if a broken promise takes several faults in their order. */
const WALKS = 24;
const MANY_WALKS = 80;
const INTRICATE = ['session', 'pools', 'circuit', 'schedule', 'clock'];

describe('what is explored', () => {
  it('differs from what is shipped by the one line that reads the clock', () => {
    const all = shippedScripts();
    expect(all.size).toBeGreaterThan(30);
    for (const [name, text] of all) {
      const clocks = text.match(/'TIME'/g) ?? [];
      expect(text.split(REAL_LINE).length - 1, name).toBe(clocks.length);
    }
  });
});

describe('a small world', () => {
  let redis: ExploredRedis;
  /** Rows of the transition table that tasks have gone through, of all worlds. */
  const gone = new Set<TaskTransition>();
  beforeAll(async () => {
    redis = await ExploredRedis.start();
  });
  afterAll(() => redis.stop());

  it.each(WORLDS)('keeps every promise on random ways, and everything ends ($name)', async (spec) => {
    const seed = Number(process.env.CLAWMESH_EXPLORE_SEED ?? '1');
    const walks = INTRICATE.includes(spec.name) ? MANY_WALKS : WALKS;
    const { broken, kinds, rows } = await walk(spec, { redis, walks, length: 40, seed });
    expect(broken).toBeUndefined();
    expect(kinds.size).toBeGreaterThan(15);
    for (const row of rows) gone.add(row);
  });

  const goAgain = async ({ world, steps }: Pick<Way, 'world' | 'steps'>) => {
    const spec = WORLDS.find(({ name }) => name === world);
    if (!spec) throw new Error(`no world ${world}`);
    const line = redis.connect();
    const seen = new Seen();
    try {
      expect(await replay(spec, line, steps, seen)).toBeUndefined();
    } finally {
      line.disconnect();
    }
    for (const row of seen.rows) gone.add(row);
  };

  it.each(WAYS)('keeps its promises on a way that once broke one: $was', goAgain);

  it.each(RARE_WAYS)('keeps its promises on a way that is seldom gone: $what', goAgain);

  it('goes through every row of the transition table in one of them', () => {
    const shown = ({ from, to, event, by }: TaskTransition) => `${from} to ${to}: ${event} by ${by}`;
    expect(TASK_TRANSITIONS.filter((row) => !gone.has(row)).map(shown)).toEqual([]);
  });
});
