import { beforeEach, describe, expect, it } from 'vitest';
import { HELD_SCORE } from '../../src/queue/bullmq/held-tasks.ts';
import { luaFiles } from '../support/lua-files.ts';
import { meshPerTest, type TestMesh } from '../support/pool.ts';

const layout = () => luaFiles().get('redis/lua/layout.lua') ?? '';

describe('names of keys', () => {
  let mesh: TestMesh;
  const current = meshPerTest('names');
  beforeEach(() => {
    mesh = current();
  });
  const made = async (table: string): Promise<Record<string, string>> =>
    JSON.parse(String(await mesh.redis.eval(`${layout()}\nreturn cjson.encode(${table})`, 1, mesh.keys.bullPrefix)));

  it('names mesh keys in Lua as MeshKeys does', async () => {
    const { keys } = mesh;
    expect(await made('meshKeys(KEYS[1])')).toEqual({
      prefix: keys.bullPrefix,
      incarnations: keys.incarnations,
      leases: keys.leases,
      nodes: keys.nodes,
      serves: keys.serves,
      deaths: keys.deaths,
      presence: keys.presence,
      absentSince: keys.absentSince,
      absent: keys.absent,
      control: keys.control,
      loads: keys.loads,
      sweep: keys.sweep,
      tokens: keys.lastTokens,
      pools: keys.pools,
      handovers: keys.handovers,
      events: keys.events,
      held: keys.held,
      circuits: keys.circuits,
      circuitsVersion: keys.circuitsVersion,
      schedules: keys.schedules,
      scheduleFailures: keys.scheduleFailures,
      scheduleLast: keys.scheduleLast,
      outboxes: keys.outboxes,
      channel: keys.meshChannel,
      heldTasks: keys.heldTasksPrefix,
      sessions: keys.sessionPrefix,
      idempotency: keys.idempotencyPrefix,
      usage: keys.usage(7).slice(0, -1),
      presenceChannels: keys.presenceChannels,
      outbox: keys.outboxPrefix,
    });
  });

  it('names pool keys in Lua as MeshKeys and BullMQ do', async () => {
    const { keys } = mesh;
    const pool = (what: string) => keys.pool('gpu', what);
    expect(await made("poolKeys(KEYS[1], 'gpu')")).toEqual({
      name: 'gpu',
      tasks: keys.task('gpu', ''),
      ...Object.fromEntries(
        ['wait', 'prioritized', 'active', 'delayed', 'completed', 'failed'].map((what) => [what, pool(what)]),
      ),
      ...Object.fromEntries(['meta', 'limiter', 'marker', 'events'].map((what) => [what, pool(what)])),
      cancelled: keys.cancelledTasks('gpu'),
      acknowledged: keys.acknowledgedTasks('gpu'),
      waitingChildren: pool('waiting-children'),
      priorityCounter: pool('pc'),
      schedulers: pool('repeat'),
      jobCounter: pool('id'),
    });
    expect(await made("dispatchKeys(KEYS[1], 'gpu')")).toEqual({
      free: keys.freeSlots('gpu'),
      turns: keys.turns('gpu'),
      wakeups: keys.wakeupPrefix('gpu'),
    });
  });
});

describe('Lua scripts', () => {
  const scripts = [...luaFiles()].filter(([name]) => !name.startsWith('redis/lua/'));

  it('names every key through the layout', () => {
    const known = new Set([...layout().matchAll(/^ {4}(\w+) = /gm)].map(([, name]) => name));
    for (const [file, text] of scripts) {
      const code = text.replace(/--\[\[[\s\S]*?\]\]|--.*/g, '');
      const used = [...code.matchAll(/\b(?:mesh|pool|dispatch)\.(\w+)/g)].map(([, name]) => name);
      expect([file, used.filter((name) => !known.has(name))]).toEqual([file, []]);
      expect(code, file).not.toMatch(/KEYS\[[2-9]/);
      // The loader leaves out of the layout what no script names as `mesh.x`, `pool.x` or `dispatch.x`.
      expect(code, file).not.toMatch(/Keys\([^)]*\)[.[]/);
    }
  });

  it('writes the score of a held task as its reader expects it', () => {
    const hold = luaFiles().get('queue/bullmq/lua/includes/hold.lua');
    expect(hold).toContain(`local HELD_SCORE = '${HELD_SCORE}'`);
  });
});
