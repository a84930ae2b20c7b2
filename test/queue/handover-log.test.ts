import type { Redis } from 'ioredis';
import { beforeEach, describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/domain/task.ts';
import type { TaskReader, TaskRunHistory } from '../../src/queue/bullmq/task-reader.ts';
import { HandoverLog } from '../../src/queue/handover-log.ts';
import type { MeshKeys } from '../../src/redis/keys.ts';
import { claimNext, meshPerTest, newTask, type TestMesh } from '../support/pool.ts';

const iso = (ms: number) => new Date(ms).toISOString();

describe('a short handover log', () => {
  const line = (event: HistoryEntry['event'], ms: number, node: string): HistoryEntry => ({
    at: iso(ms),
    event,
    node,
    attempt: 1,
    reason: null,
  });
  /** The task t1 left mac-1 at 5 s, and has this history now. */
  const handover = async (runs: TaskRunHistory | undefined, asked: string[] = []) => {
    const fields = { at: 5_000, taskId: 't1', pool: 'p', from: 'mac-1', reason: 'crash', ranMs: 900, silentMs: 400 };
    const redis = {
      time: async () => ['60', '500000'],
      xrevrange: async (...query: string[]) => {
        asked.push(...query);
        return [['1-1', Object.entries(fields).flatMap(([name, value]) => [name, String(value)])]];
      },
    } as unknown as Redis;
    const reader = { runs: async () => [runs] } as unknown as TaskReader;
    const log = new HandoverLog(redis, { handovers: 'log' } as MeshKeys, reader);
    return (filter: { sinceMs?: number; nodeId?: string; taskId?: string }) => log.list({ limit: 9, ...filter });
  };
  const logged = { at: iso(5_000), taskId: 't1', from: 'mac-1', reason: 'crash', ranMs: 900, silentMs: 400 };
  const before = [line('claimed', 1_000, 'mac-1'), line('handover', 5_000, 'mac-1')];

  it('says which node took a task next, and how long after the last sign of life of its node', async () => {
    const history = [...before, line('claimed', 5_250, 'mac-2'), line('claimed', 9_000, 'mac-3')];
    const list = await handover({ history, sessionMovedFrom: null });
    expect(await list({})).toEqual([{ ...logged, to: 'mac-2', sessionRestarted: false, takeoverMs: 650 }]);
  });

  it.each([
    ['no node has taken it yet', { history: before, sessionMovedFrom: 'mac-1' }],
    ['it is gone', undefined],
    ['its history was cut', { history: [line('claimed', 6_000, 'mac-2')], sessionMovedFrom: 'mac-1' }],
  ])('names no next node of a task if %s', async (_, runs) => {
    const list = await handover(runs);
    expect(await list({})).toEqual([{ ...logged, to: null, sessionRestarted: false, takeoverMs: null }]);
  });

  it.each([
    ['mac-1', true],
    ['mac-9', false],
  ])(
    'says whether the session of the task started over, which had moved from %s: %s',
    async (sessionMovedFrom, expected) => {
      const list = await handover({ history: [...before, line('claimed', 5_250, 'mac-2')], sessionMovedFrom });
      expect(await list({})).toMatchObject([{ sessionRestarted: expected }]);
    },
  );

  it('lists the handovers from and to a node, and those of one task', async () => {
    const list = await handover({ history: [...before, line('claimed', 5_250, 'mac-2')], sessionMovedFrom: null });
    const counts = [{ nodeId: 'mac-1' }, { nodeId: 'mac-2' }, { nodeId: 'mac-3' }, { taskId: 't1' }, { taskId: 't2' }];
    expect(await Promise.all(counts.map(async (filter) => (await list(filter)).length))).toEqual([1, 1, 0, 1, 0]);
  });

  it('reads no entry older by Redis time than requested', async () => {
    const asked: string[] = [];
    await (await handover(undefined, asked))({ sinceMs: 10_000 });
    expect(asked.slice(0, 3)).toEqual(['log', '+', '50500']);
  });
});

describe('a long handover log', () => {
  let mesh: TestMesh;
  const current = meshPerTest('hl');
  beforeEach(() => {
    mesh = current();
  });
  const calls = async () => {
    const stats = await mesh.redis.info('commandstats');
    const count = (name: string) => Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
    return { xrevrange: count('xrevrange'), hmget: count('hmget'), hgetall: count('hgetall') };
  };
  const log = () => new HandoverLog(mesh.redis, mesh.keys, mesh.reader);

  it('reads the log page by page, and of its tasks only what names the next node', async () => {
    const [{ id } = { id: '' }] = await mesh.producer.enqueue([newTask({ message: 'x'.repeat(10_000) })]);
    const node = await mesh.node('mac-1');
    await node.release(await claimNext(node), 'drain');
    await claimNext(await mesh.node('mac-2'));
    const fill = `for i = 1, 9999 do
      redis.call('XADD', KEYS[1], '*', 'at', i, 'taskId', ARGV[1], 'pool', 'default', 'from', 'mac-3', 'reason', 'crash',
        'ranMs', 1, 'silentMs', 0) end`;
    await mesh.redis.eval(fill, 1, mesh.keys.handovers, id);
    const before = await calls();
    const found = await log().list({ nodeId: 'mac-2', limit: 20 });
    const after = await calls();
    expect(found).toMatchObject([{ taskId: id, from: 'mac-1', to: 'mac-2', reason: 'drain' }]);
    expect(found[0]).not.toHaveProperty('pool');
    expect(after.xrevrange - before.xrevrange).toBeLessThanOrEqual(21);
    expect(after.hmget - before.hmget).toBeLessThanOrEqual(21);
    expect(after.hgetall).toBe(before.hgetall);
    expect(await log().list({ limit: 5 })).toHaveLength(5);
    expect(await log().list({ nodeId: 'mac-3', limit: 700 })).toHaveLength(700);
  });

  it('lists the other handovers although one entry cannot be read', async () => {
    await mesh.redis.xadd(mesh.keys.handovers, '*', 'mangled', 'x');
    expect(await log().list({ limit: 5 })).toHaveLength(1);
  });
});
