import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { faultsOf } from '../../src/ops/doctor/redis-checks.ts';
import { type SnapshotSource, takeSnapshot } from '../../src/ops/snapshot.ts';
import { ServerInfo } from '../../src/redis/server-info.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const FINE = { redis_version: '8.0.0', role: 'master', aof_enabled: '1', aof_last_write_status: 'ok' };
const infoOf = (fields: Readonly<Record<string, string>>) =>
  ServerInfo.from(
    Object.entries(fields)
      .map(([name, value]) => `${name}:${value}`)
      .join('\r\n'),
  );

/** A mesh with a node that an operator drains, one that is missing, and a worker of another program. */
const source = (server: ServerInfo): SnapshotSource => ({
  config: configSchema.parse({ mesh: 'm', nodes: { 'mac-1': {} } }),
  server: { time: async () => 0, info: async () => server },
  node: { list: async () => [] },
  pool: {
    names: async () => ['default'],
    counts: async () => new Map(),
    held: async () => [],
    oldestWaiting: async () => undefined,
    strangers: async () => [{ pool: 'default', connected: ['x'], taken: 0, of: 0, names: [] }],
  },
  task: { longestRunning: async () => [] },
  circuits: async () => [],
  usage: async () => [],
  handovers: async () => [],
  scheduleFailures: async () => [{ name: 'nightly', reason: 'x' }],
  outboxes: async () => [],
});

describe('the snapshot of a mesh', () => {
  const take = async (fields: Readonly<Record<string, string>>) =>
    (await takeSnapshot(source(infoOf(fields)), new VirtualClock())).snapshot;

  it('lists the problems by severity, wherever they come from', async () => {
    const { problems, redis } = await take({ ...FINE, aof_last_write_status: 'err' });
    expect(problems.map(({ severity }) => severity)).toEqual(['error', 'error', 'warning', 'warning']);
    expect(problems.map(({ what }) => what)).toContain('Redis could not write its append-only file');
    expect(redis.ok).toBe(false);
  });

  it('says that Redis can carry the mesh if it can', async () => {
    expect((await take(FINE)).redis.ok).toBe(true);
  });
});

describe('a Redis that can not carry a mesh', () => {
  it.each([
    ['is a replica', { role: 'slave' }, /read-only replica/],
    ['evicts tasks', { maxmemory_policy: 'allkeys-lru' }, /may evict tasks/],
    ['can not write its file', { aof_last_write_status: 'err' }, /append-only file/],
    ['can not save', { aof_enabled: '0', rdb_last_bgsave_status: 'err' }, /last save/],
    ['is nearly full', { maxmemory: '100', used_memory: '96' }, /uses 96 % of its maxmemory/],
  ])('%s', (_, fields, problem) => {
    expect(faultsOf(infoOf({ ...FINE, ...fields }))).toMatchObject([
      { severity: 'error', problem: expect.stringMatching(problem), remedy: expect.any(String) },
    ]);
  });

  it('is not one without an append-only file, or with memory that gets scarce', () => {
    expect(faultsOf(infoOf({ ...FINE, aof_enabled: '0' }))).toEqual([]);
    expect(faultsOf(infoOf({ ...FINE, maxmemory: '100', used_memory: '90' }))).toEqual([]);
  });
});
