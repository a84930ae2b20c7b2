import { beforeEach, describe, expect, it } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { FORGET_AFTER_MS, tidyMesh } from '../../src/node/tidy.ts';
import { Circuits } from '../../src/queue/bullmq/circuits.ts';
import { MOST_SCHEDULES } from '../../src/queue/bullmq/schedule-errors.ts';
import { ImportedJobs, MOST_IMPORTED } from '../../src/queue/imported-jobs.ts';
import { TaskImport } from '../../src/queue/task-import.ts';
import { readUsage } from '../../src/queue/usage.ts';
import { KEY_TABLE } from '../../src/redis/key-table.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { AlertFeed } from '../../src/registry/alert-feed.ts';
import { meshId } from '../../src/registry/mesh-id.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, idleOffer, meshPerTest, newTask, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

/** The rows of the table of keys, each named after its first key. */
const rows = KEY_TABLE.map((row) => ({ ...row, first: Object.keys(row.keys)[0] ?? '' }));

const NOTHING_IS_REMEMBERED = { node: 0, pool: 0, circuit: { closed: 0, open: 0 } };
const retention = { completedMs: 600_000, failedMs: 600_000, count: 2, usageMs: 86_400_000 };
/** Streams are cut by whole nodes of 100 entries. */
const STREAM = 10_100;

/**
 * One round of tidying, as if nothing were remembered; twice, since the first one notes since when things are unused.
 */
async function tidy(
  mesh: TestMesh,
  forgetAfterMs: typeof FORGET_AFTER_MS = NOTHING_IS_REMEMBERED,
  giveUpAfterMs = 0,
): Promise<void> {
  for (let round = 0; round < 2; round++) {
    await mesh.redis.del(mesh.keys.tidying);
    const onError = (error: unknown) => {
      throw error;
    };
    const how = { nodeId: 'janitor', ownPools: [], retention, giveUpAfterMs, forgetAfterMs, onError };
    await tidyMesh(mesh.redis, mesh.keys, how);
  }
}

/** Many nodes come, work a little, and never come back. */
async function nodesThatNeverComeBack(mesh: TestMesh): Promise<void> {
  for (let n = 0; n < 30; n++) {
    const nodeId = `ci-${n}`;
    const node = await mesh.node(nodeId, { strategy: 'round-robin' });
    const record = aNodeRecord({ pools: { default: { concurrency: 1, running: 0 } } });
    await mesh.registry.beat({ nodeId, incarnation: 1 }, record, sweepHow(nodeId));
    await node.claim(idleOffer);
    await mesh.redis.hset(mesh.keys.turns('default'), nodeId, '1');
    await mesh.redis.hset(mesh.keys.lastTokens, `default:${nodeId}`, `${nodeId}~1:1`);
    await mesh.registry.setDesiredState(nodeId, 'drain');
    await mesh.registry.evict(nodeId, 15_000);
    await mesh.redis.hset(mesh.keys.presence, nodeId, '1@x');
    await mesh.redis.hset(mesh.keys.absentSince, nodeId, '1');
  }
}
const forgotten = (...names: ((keys: MeshKeys) => string)[]) => ({
  goBeyond: nodesThatNeverComeBack,
  holds: async (mesh: TestMesh) => {
    const fields = async () =>
      (await Promise.all(names.map((name) => mesh.redis.hgetall(name(mesh.keys))))).map(
        (hash) => Object.keys(hash).filter((field) => /^(default:)?ci-/.test(field)).length,
      );
    await tidy(mesh, FORGET_AFTER_MS);
    expect(await fields()).toEqual(names.map(() => 30));
    await tidy(mesh);
    expect(await fields()).toEqual(names.map(() => 0));
  },
});
const lengthOf = (stream: (keys: MeshKeys) => string, once: (mesh: TestMesh) => Promise<unknown>) => ({
  goBeyond: async (mesh: TestMesh) => {
    const fill = 'for i = 1, 12000 do redis.call("XADD", KEYS[1], "*", "event", "x") end';
    await mesh.redis.eval(fill, 1, stream(mesh.keys));
    await once(mesh);
  },
  holds: async (mesh: TestMesh) => expect(await mesh.redis.xlen(stream(mesh.keys))).toBeLessThan(STREAM),
});
const expires = (name: (keys: MeshKeys) => string, atMostMs: number, make: (mesh: TestMesh) => Promise<unknown>) => ({
  goBeyond: make,
  holds: async (mesh: TestMesh) => {
    const left = await mesh.redis.pttl(name(mesh.keys));
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(atMostMs);
  },
});
const keepsNothing = {
  goBeyond: async (mesh: TestMesh) => {
    await mesh.registry.tellPaused();
    await mesh.registry.tellCancelled({ nodeId: 'mac-1', incarnation: 1 }, 'x');
  },
  holds: async (mesh: TestMesh) => expect(await mesh.redis.keys('*')).toEqual([]),
};

async function run(mesh: TestMesh, outcome: Parameters<Awaited<ReturnType<TestMesh['node']>>['report']>[1] = success) {
  const node = await mesh.node('mac-1');
  const claim = await claimNext(node);
  await node.report(claim, outcome);
  return claim;
}
const failure = { ok: false, error: taskError('invalid', 'x') } as const;
const DAY_MS = 86_400_000;

interface Bound {
  readonly goBeyond: (mesh: TestMesh) => Promise<unknown>;
  readonly holds: (mesh: TestMesh) => Promise<unknown>;
}

/** How each row's bound is gone beyond, and what holds afterwards. */
const BOUNDS: Readonly<Record<string, Bound>> = {
  '{…}:<pool>:wait': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue(Array.from({ length: 5 }, () => newTask()));
      for (let n = 0; n < 5; n++) await run(mesh, n < 3 ? success : failure);
      const fill = 'for i = 1, 12000 do redis.call("XADD", KEYS[1], "*", "event", "x") end';
      await mesh.redis.eval(fill, 1, mesh.keys.pool('default', 'events'));
      await mesh.producer.enqueue([newTask({ pool: 'gone' })]);
      const [task] = await mesh.reader.list({ pool: 'gone', limit: 1 });
      await mesh.control.remove(task as NonNullable<typeof task>);
      await mesh.producer.enqueue([newTask()]);
    },
    holds: async (mesh) => {
      // No node serves these pools.
      await tidy(mesh);
      expect((await mesh.reader.counts(['default'])).get('default')).toMatchObject({ completed: 2, failed: 2 });
      expect(await mesh.redis.xlen(mesh.keys.pool('default', 'events'))).toBeLessThan(STREAM);
      expect(await mesh.redis.keys(`${mesh.keys.pool('gone', '')}*`)).toEqual([]);
    },
  },
  '{…}:<pool>:<task id>': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue([newTask()]);
      const node = await mesh.node('mac-1');
      for (let n = 0; n < 150; n++) await node.release(await claimNext(node), 'drain');
    },
    holds: async (mesh) => {
      const [task] = await mesh.reader.list({ limit: 1 });
      const text = await mesh.redis.hget(mesh.keys.task('default', task?.id ?? ''), 'cm:history');
      expect(text?.trim().split('\n').length).toBeLessThanOrEqual(100);
      expect(task).toMatchObject({ handovers: 150, state: 'waiting' });
    },
  },
  '{…}:<pool>:<task id>:logs': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue([newTask()]);
      const node = await mesh.node('mac-1');
      const claim = await claimNext(node);
      for (let n = 0; n < 3; n++) await node.log(claim, Array(900).fill('line'), undefined);
    },
    holds: async (mesh) => {
      const [task] = await mesh.reader.list({ limit: 1 });
      const logs = `${mesh.keys.task('default', task?.id ?? '')}:logs`;
      expect(await mesh.redis.llen(logs)).toBe(1_000);
    },
  },
  '{…}/cancelled:<pool>': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue(Array.from({ length: 5 }, () => newTask({ pool: 'unserved' })));
      for (const task of await mesh.reader.list({ limit: 5 })) await mesh.control.cancel(task, 'by hand');
    },
    holds: async (mesh) => {
      await tidy(mesh);
      expect(await mesh.redis.zcard(mesh.keys.cancelledTasks('unserved'))).toBe(2);
      expect(await mesh.reader.list({ limit: 5 })).toHaveLength(2);
    },
  },
  '{…}/acknowledged:<pool>': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue(Array.from({ length: 5 }, () => newTask()));
      for (let n = 0; n < 5; n++)
        await mesh.control.acknowledge({ id: (await run(mesh, failure)).taskId, pool: 'default' });
    },
    holds: async (mesh) => {
      const key = mesh.keys.acknowledgedTasks('default');
      expect(await mesh.redis.zcard(key)).toBe(5);
      await tidy(mesh);
      expect(await mesh.redis.zcard(key)).toBe(2);
      for (const task of await mesh.reader.list({ limit: 5 })) await mesh.control.retry(task);
      expect(await mesh.redis.exists(key)).toBe(0);
    },
  },
  '{…}:<pool>:<task id>:lock': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue([newTask()]);
      await claimNext(await mesh.node('mac-1', { visibilityTimeoutMs: 60_000 }));
    },
    holds: async (mesh) => {
      const [task] = await mesh.reader.list({ limit: 1 });
      const left = await mesh.redis.pttl(`${mesh.keys.task('default', task?.id ?? '')}:lock`);
      expect(left > 0 && left <= 60_000).toBe(true);
    },
  },
  '{…}:<pool>:repeat': {
    goBeyond: async (mesh) => {
      for (let n = 0; n < 20; n++) await mesh.schedules.add(`s${n}`, { everyMs: DAY_MS }, newTask());
      // As if each had been removed while a node queued its next task.
      await mesh.redis.del(mesh.keys.schedules);
    },
    holds: async (mesh) => {
      await mesh.schedules.mend();
      expect(await mesh.redis.keys(`${mesh.keys.pool('default', 'repeat')}*`)).not.toContain(
        mesh.keys.pool('default', 'repeat'),
      );
      expect(await mesh.redis.keys(mesh.keys.pool('default', 'repeat:s?'))).toEqual([]);
    },
  },
  '{…}/incarnations': forgotten((keys) => keys.incarnations),
  '{…}/id': {
    goBeyond: async (mesh) => Promise.all([meshId(mesh.redis, mesh.keys), meshId(mesh.redis, mesh.keys)]),
    holds: async (mesh) => expect(await mesh.redis.strlen(mesh.keys.meshId)).toBeLessThan(40),
  },
  '{…}/tokens': forgotten((keys) => keys.lastTokens),
  '{…}/serves': forgotten((keys) => keys.serves),
  '{…}/leases': {
    goBeyond: nodesThatNeverComeBack,
    holds: async (mesh) => expect(await mesh.redis.zcard(mesh.keys.leases)).toBe(0),
  },
  '{…}/nodes': forgotten((keys) => keys.nodes),
  '{…}/pools': {
    goBeyond: async (mesh) => {
      for (let n = 0; n < 20; n++) {
        const [task] = await mesh.producer.enqueue([newTask({ pool: `branch-${n}` })]);
        await mesh.control.remove(task as NonNullable<typeof task>);
      }
      await mesh.schedules.add('daily', { cron: '0 7 * * *', timezone: 'UTC' }, newTask({ pool: 'planned' }));
      await mesh.schedules.setPaused('daily', true);
      await mesh.registry.register('mac-1', ['served'], 15_000);
      const record = aNodeRecord({ pools: { served: { concurrency: 1, running: 0 } } });
      await mesh.registry.beat({ nodeId: 'mac-1', incarnation: 1 }, record, sweepHow('mac-1'));
      await mesh.producer.enqueue([newTask({ pool: 'waits' })]);
    },
    holds: async (mesh) => {
      await tidy(mesh);
      expect(await mesh.reader.pools()).toEqual(['planned', 'served', 'waits']);
      expect(await mesh.redis.keys('*branch-*')).toEqual([]);
    },
  },
  '{…}/absent': {
    goBeyond: async (mesh) => {
      await nodesThatNeverComeBack(mesh);
      await mesh.redis.sadd(mesh.keys.pools, 'empty');
    },
    holds: async (mesh) => {
      await tidy(mesh, FORGET_AFTER_MS);
      expect(await mesh.redis.hlen(mesh.keys.absent)).toBeGreaterThan(30);
      await tidy(mesh);
      expect(await mesh.redis.exists(mesh.keys.absent)).toBe(0);
    },
  },
  '{…}/deaths': {
    goBeyond: nodesThatNeverComeBack,
    holds: async (mesh) => {
      expect(await mesh.redis.hlen(mesh.keys.deaths)).toBe(30);
      await tidy(mesh);
      expect(await mesh.redis.exists(mesh.keys.deaths)).toBe(0);
    },
  },
  '{…}/presence': forgotten(
    (keys) => keys.presence,
    (keys) => keys.absentSince,
  ),
  '{…}/sweep': {
    goBeyond: nodesThatNeverComeBack,
    holds: async (mesh) => expect(await mesh.redis.hlen(mesh.keys.sweep)).toBe(7),
  },
  '{…}/control': forgotten((keys) => keys.control),
  '{…}/tidying': expires(
    (keys) => keys.tidying,
    15_000,
    (mesh) => tidy(mesh),
  ),
  '{…}/alive:<node>~<incarnation>': keepsNothing,
  '{…}/who:<question>': keepsNothing,
  '{…}/all': keepsNothing,
  '{…}/handovers': lengthOf(
    (keys) => keys.handovers,
    async (mesh) => {
      await mesh.producer.enqueue([newTask()]);
      const node = await mesh.node('mac-1');
      await node.release(await claimNext(node), 'drain');
    },
  ),
  '{…}/held': {
    goBeyond: async (mesh) => {
      const targets = Array.from({ length: 20 }, (_, n) => newTask({ node: `mac-${n}` }));
      await mesh.producer.enqueue([...targets, newTask({ node: 'mac-0' }), newTask({ node: 'kept' })]);
      for (const task of await mesh.reader.list({ limit: 30 })) {
        if (task.target !== 'node:kept') await mesh.control.cancel(task, 'by hand');
      }
    },
    holds: async (mesh) => {
      await tidy(mesh);
      expect(await mesh.redis.smembers(mesh.keys.held)).toEqual(['default node:kept']);
      expect(await mesh.redis.keys(`${mesh.keys.heldTasksPrefix}*`)).toHaveLength(1);
    },
  },
  '{…}/outboxes': {
    goBeyond: async (mesh) => {
      for (let n = 0; n < 20; n++) {
        await mesh.producer.enqueue([newTask({ deliver: { channel: `channel-${n}`, to: 'x' } })]);
        await run(mesh);
      }
    },
    holds: async (mesh) => {
      await tidy(mesh, NOTHING_IS_REMEMBERED, DAY_MS);
      // Those of removed tasks are gone; `retention` keeps two.
      expect(await mesh.redis.keys(`${mesh.keys.outboxPrefix}*`)).toHaveLength(2);
      await tidy(mesh);
      expect(await mesh.redis.keys(`${mesh.keys.outboxPrefix}*`)).toEqual([]);
      expect(await mesh.redis.exists(mesh.keys.outboxes)).toBe(0);
    },
  },
  '{…}/free:<pool>': forgotten(
    (keys) => keys.freeSlots('default'),
    (keys) => keys.turns('default'),
    (keys) => keys.loads,
  ),
  '{…}/wakeup:<pool> <node>': expires(
    (keys) => `${keys.wakeupPrefix('default')}mac-1`,
    60_000,
    async (mesh) => {
      const [first, second] = [
        await mesh.node('mac-1', { strategy: 'round-robin' }),
        await mesh.node('mac-2', { strategy: 'round-robin' }),
      ];
      for (const node of [first, second]) await node.claim(idleOffer);
      await mesh.producer.enqueue([newTask()]);
      await second.claim(idleOffer);
    },
  ),
  '{…}/session:<agent>|<session>': {
    goBeyond: async (mesh) => {
      await mesh.producer.enqueue(Array.from({ length: 15 }, () => newTask({ session: 's' })));
      for (let n = 0; n < 15; n++) await run(mesh);
    },
    holds: async (mesh) => {
      for (const key of [`${mesh.keys.sessionPrefix}|s`, mesh.keys.recentOfSession('|s')]) {
        const left = await mesh.redis.pttl(key);
        expect(left > 0 && left <= 30 * DAY_MS).toBe(true);
      }
      expect(await mesh.redis.llen(mesh.keys.recentOfSession('|s'))).toBe(10);
    },
  },
  '{…}/alert:<kind>:<subject>': {
    goBeyond: async (mesh) => {
      const feed = new AlertFeed(mesh.redis, mesh.keys, 'mac-1');
      await feed.begins('node-dead:mac-2', DAY_MS);
      await feed.watches(15_000);
    },
    holds: async (mesh) => {
      for (const what of ['node-dead:mac-2', 'watcher']) {
        const left = await mesh.redis.pttl(mesh.keys.alert(what));
        expect(left > 0 && left <= DAY_MS).toBe(true);
      }
    },
  },
  '{…}/circuits': {
    goBeyond: async (mesh) => {
      const circuits = new Circuits(mesh.redis, mesh.keys, {
        failures: 3,
        minProbeInterval: 1_000,
        maxProbeInterval: 1_000,
      });
      const node = await mesh.node('mac-1');
      for (let n = 0; n < 12; n++) {
        await mesh.producer.enqueue([newTask({ model: `m${n}`, attempts: 1 })]);
        const claim = await claimNext(node);
        const kind = n % 2 === 0 ? 'provider' : 'rate_limit';
        await circuits.observe(claim, { ok: false, error: taskError(kind, 'HTTP 500') });
        await node.report(claim, { ok: false, error: taskError('crash', 'tells nothing of the provider') });
      }
      await mesh.redis.sadd(mesh.keys.held, 'default circuit:m1');
      await mesh.redis.zadd(mesh.keys.heldTasks('default', 'circuit:m1'), 1, 'x');
      await mesh.redis.zadd(mesh.keys.pool('default', 'delayed'), 2 ** 53 - 4_096, 'x');
    },
    holds: async (mesh) => {
      const before = Number(await mesh.redis.get(mesh.keys.circuitsVersion));
      await tidy(mesh, { ...FORGET_AFTER_MS, circuit: { closed: 0, open: DAY_MS } });
      expect(await mesh.redis.hlen(mesh.keys.circuits)).toBe(6);
      await tidy(mesh);
      expect(Object.keys(await mesh.redis.hgetall(mesh.keys.circuits))).toEqual(['m1']);
      expect(Number(await mesh.redis.get(mesh.keys.circuitsVersion))).toBeGreaterThan(before);
    },
  },
  '{…}/circuits:version': {
    goBeyond: async (mesh) => mesh.redis.incr(mesh.keys.circuitsVersion),
    holds: async (mesh) => expect(await mesh.redis.get(mesh.keys.circuitsVersion)).toMatch(/^\d+$/),
  },
  '{…}/events': {
    goBeyond: async (mesh) => {
      for (let n = 0; n < 30; n++) {
        await mesh.registry.register(`ci-${n}`, ['default'], 15_000);
        const feed = new AlertFeed(mesh.redis, mesh.keys, `ci-${n}`);
        await feed.open();
        await feed.take();
        await mesh.registry.evict(`ci-${n}`, 15_000);
      }
      const { goBeyond } = lengthOf(
        (keys) => keys.events,
        () => mesh.registry.register('mac-1', [], 15_000),
      );
      await goBeyond(mesh);
    },
    holds: async (mesh) => {
      expect(await mesh.redis.xlen(mesh.keys.events)).toBeLessThan(STREAM);
      await tidy(mesh);
      expect(await mesh.redis.xinfo('CONSUMERS', mesh.keys.events, 'alerts')).toEqual([]);
    },
  },
  '{…}/usage:<day>': {
    goBeyond: async (mesh) => {
      const usage = { input: 1, output: 2, total: 3 };
      const node = await mesh.node('mac-1');
      const names = Array.from({ length: 510 }, (_, n) => `model-${n}`);
      await mesh.producer.enqueue(names.map((model) => newTask({ model })));
      for (const _ of names) {
        const claim = await claimNext(node);
        await node.report(claim, { ok: true, result: { ...success.result, usage } });
      }
    },
    holds: async (mesh) => {
      const [day = '', ...others] = await mesh.redis.keys(`${mesh.keys.bullPrefix}/usage*`);
      expect(others).toEqual([]);
      expect(day).toBe(mesh.keys.usage(Math.floor((await mesh.registry.redisTime()) / DAY_MS)));
      const left = await mesh.redis.pttl(day);
      expect(left > 0 && left <= 90 * DAY_MS).toBe(true);
      expect(await mesh.redis.hlen(day)).toBeLessThan(2_010);
      const sums = await readUsage(mesh.redis, mesh.keys, 1);
      expect(sums.reduce((total, { tasks }) => total + tasks, 0)).toBe(510);
      expect(sums[0]).toMatchObject({ agent: '*', model: '*' });
    },
  },
  '{…}/schedules': {
    goBeyond: async (mesh) => {
      const stored = Array.from({ length: MOST_SCHEDULES }, (_, n) => [`s${n}`, '{}']);
      await mesh.redis.hset(mesh.keys.schedules, ...stored.flat());
      await mesh.redis.hset(mesh.keys.scheduleFailures, 'removed', 'x');
    },
    holds: async (mesh) => {
      const more = mesh.schedules.add('more', { everyMs: DAY_MS }, newTask());
      await expect(more).rejects.toThrow('1000 schedules');
      expect(await mesh.schedules.mend()).toHaveLength(MOST_SCHEDULES);
      expect(await mesh.redis.hlen(mesh.keys.scheduleFailures)).toBe(MOST_SCHEDULES);
    },
  },
  '{…}/imported-jobs': {
    goBeyond: async (mesh) => {
      const fill = 'for i = 1, tonumber(ARGV[1]) do redis.call("HSET", KEYS[1], "gateway " .. i, "{}") end';
      await mesh.redis.eval(fill, 1, mesh.keys.importedJobs, MOST_IMPORTED - 1);
      const jobs = new ImportedJobs(mesh.redis, mesh.keys);
      const job = { gateway: 'mac-1:1', id: 'a', name: 'a', schedule: 'a', digest: 'd', state: 'begun' } as const;
      await jobs.put(job);
      await expect(jobs.put({ ...job, id: 'b' })).rejects.toMatchObject({ code: 'failed' });
      await jobs.put({ ...job, state: 'done' });
    },
    holds: async (mesh) => expect(await mesh.redis.hlen(mesh.keys.importedJobs)).toBe(MOST_IMPORTED),
  },
  '{…}/import:<digest>': expires(
    (keys) => keys.taskImport('d'),
    DAY_MS,
    async (mesh) => {
      const file = await TaskImport.begin(mesh.redis, mesh.keys, 'd');
      await file.queue([newTask()], (tasks) => mesh.producer.enqueue(tasks));
    },
  ),
  '{…}/key:<key>': {
    goBeyond: async (mesh) => {
      for (const key of ['a', 'b', 'c', 'd']) {
        await mesh.producer.enqueue([newTask({ key })]);
        await run(mesh);
      }
      await mesh.producer.enqueue([newTask({ key: 'e' })]);
    },
    holds: async (mesh) => {
      await tidy(mesh);
      // Two are kept, of one the task waits; the others are remembered to the end of their time.
      for (const key of ['c', 'd', 'e']) expect(await mesh.redis.pttl(mesh.keys.idempotency(key))).toBe(-1);
      for (const key of ['a', 'b']) {
        const left = await mesh.redis.pttl(mesh.keys.idempotency(key));
        expect(left > 0 && left <= retention.completedMs).toBe(true);
      }
      for (const task of await mesh.reader.list({ limit: 5 })) await mesh.control.remove(task);
      expect((await mesh.redis.keys(`${mesh.keys.idempotencyPrefix}*`)).sort()).toEqual(
        ['a', 'b'].map((key) => mesh.keys.idempotency(key)),
      );
    },
  },
  '{…}/acknowledged': {
    goBeyond: async (mesh) => mesh.redis.incr(mesh.keys.acknowledged),
    holds: async (mesh) => expect(await mesh.redis.get(mesh.keys.acknowledged)).toMatch(/^\d+$/),
  },
};

describe('the table of keys', () => {
  let mesh: TestMesh;
  const current = meshPerTest('b');
  beforeEach(async () => {
    mesh = current();
    await mesh.redis.flushall();
  });

  /** Each key of the table as a pattern, with its type. A more specific name comes first. */
  const patterns = rows
    .flatMap(({ keys }) => Object.entries(keys))
    .sort(([a], [b]) => a.split('<').length - b.split('<').length || b.length - a.length)
    .map(([key, type]) => ({ type, pattern: patternOf(key) }));

  it('documents the bound of every key', () => {
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.filter(({ bound }) => bound.trim() === '')).toEqual([]);
    expect(rows.map(({ first }) => first).sort()).toEqual(Object.keys(BOUNDS).sort());
  });

  it('has every name of MeshKeys', () => {
    const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'm' });
    const getters = Object.entries(Object.getOwnPropertyDescriptors(MeshKeys.prototype)).flatMap(([name, { get }]) =>
      get && !/Prefix$|Channels$/.test(name) ? [get.call(keys) as string] : [],
    );
    const made = [
      `${keys.presenceChannels}mac-1~3`,
      `${keys.answerChannels}question`,
      keys.heldTasks('default', 'after'),
      keys.freeSlots('default'),
      keys.turns('default'),
      `${keys.wakeupPrefix('default')}mac-1`,
      keys.recentOfSession('main|s'),
      keys.usage(20_000),
      keys.taskImport('d'),
      keys.alert('node-dead:mac-1'),
      keys.idempotency('k'),
    ];
    const unknown = [...getters, ...made].filter((name) => !patterns.some(({ pattern }) => pattern.test(name)));
    expect(unknown).toEqual([]);
    expect(getters.length).toBeGreaterThan(15);
  });

  it.each(rows)('documents the right bound of $first, and every key in Redis then', async ({ first }) => {
    const bound = BOUNDS[first] as Bound;
    await bound.goBeyond(mesh);
    const wrong = await Promise.all(
      (await mesh.redis.keys('*')).map(async (name) => {
        const found = patterns.find(({ pattern }) => pattern.test(name));
        const type = (await mesh.redis.type(name)).replace('zset', 'sorted set');
        return found?.type === type ? [] : [{ name, type, documented: found?.type }];
      }),
    );
    expect(wrong.flat()).toEqual([]);
    await bound.holds(mesh);
  });
});

/** A key of the table as a pattern for the keys of a test mesh. */
function patternOf(key: string): RegExp {
  const parts = { pool: '[\\w-]+', 'task id': '(?:[0-9a-z]{26}|repeat:[\\w-]+:\\d+)', schedule: '[\\w-]+' };
  const text = key
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/<([^>]+)>/g, (_, name: string) => parts[name as keyof typeof parts] ?? '.*');
  return new RegExp(`^${text.replace('\\{…\\}', '\\{clawmesh:\\w+\\}')}$`);
}
