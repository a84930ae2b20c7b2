import { beforeEach, expect, it, vi } from 'vitest';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { DesiredState, NodeRecord } from '../../src/domain/node.ts';
import type { Pause } from '../../src/domain/pause.ts';
import { crashForDrill } from '../../src/node/crash-for-drill.ts';
import { Heartbeat, type HeartbeatParts } from '../../src/node/heartbeat.ts';
import type { SweepOptions, Swept } from '../../src/registry/sweeping.ts';
import { type Parts, testContext } from '../support/node-context.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

vi.mock(import('../../src/node/crash-for-drill.ts'), () => ({ crashForDrill: vi.fn() as never }));

beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  vi.mocked(crashForDrill).mockClear();
});

const swept = { deaths: [] } as unknown as Swept;
const withBeat = { intervalMs: 375 } as SweepOptions;

/** A heartbeat every 5 s, and all that it sent and did. `reply` may be changed while it beats. */
function beating(parts: Parts & { readonly with?: Partial<HeartbeatParts> } = {}) {
  const clock = new VirtualClock();
  const sent: { readonly atMs: number; readonly record: NodeRecord; readonly how: SweepOptions }[] = [];
  const reply = {
    aheadMs: 0,
    takesMs: 0,
    desired: undefined as DesiredState | undefined,
    pause: undefined as Pause | undefined,
    error: undefined as unknown,
  };
  const beat = async (_: unknown, record: NodeRecord, how: SweepOptions) => {
    sent.push({ atMs: clock.monotonic(), record, how });
    if (reply.takesMs > 0) await clock.sleep(reply.takesMs);
    if (reply.error) throw reply.error;
    const { desired, pause } = reply;
    return { redisTime: clock.now() + reply.aheadMs, desired, pause, swept };
  };
  const did: unknown[] = [];
  const context = testContext({
    clock,
    registry: { beat },
    config: { health: { heartbeatInterval: '5s', missedHeartbeats: 3 } },
    ...parts,
  });
  const heartbeat = new Heartbeat(context, {
    gates: { report: () => ({ state: 'up', gates: [] }) },
    runs: { runs: [] },
    sweep: { withBeat, found: (found) => void did.push(['found', found]) },
    renewal: { renewAll: async () => void did.push('renewAll') },
    drain: { set: (drained) => void did.push(['drained', drained]) },
    pause: { set: (pause) => void did.push(['paused', pause]) },
    openclaw: { state: { mode: 'exec', version: '2026.1.5', expected: null, healthy: true } },
    load: { read: () => ({ cpu: 0.5, memory: 0.25, eventLoopDelayMs: 1 }) },
    deliveries: { channels: ['slack/work'] },
    ...parts.with,
  });
  return { ...context, heartbeat, sent, reply, did };
}

const run = (taskId: string, pool: string) => ({ claim: { taskId, pool } });

it('reports the whole state of the node in each heartbeat', async () => {
  const closed = { name: 'power', open: false, reason: 'on battery', fix: 'plug it in' };
  const { heartbeat, clock, sent, live } = beating({
    version: '1.2.3',
    settings: {
      pools: { default: 2, ios: 1 },
      maxTasks: 2,
      labels: { xcode: '26' },
      allow: { agents: ['main'] },
      drainTimeout: 1,
      keepAwake: false,
      dashboard: false,
    },
    journal: { counts: () => ({ pending: 4, discarded: 1 }) },
    with: {
      gates: { report: () => ({ state: 'gated', gates: [closed] }) },
      runs: { runs: [run('t1', 'default'), run('t2', 'default'), run('t3', 'ios')] as never },
    },
  });
  await clock.advance(1_500);
  await heartbeat.start();
  expect(sent[0]?.record).toEqual({
    incarnation: 1,
    state: 'gated',
    host: expect.any(String),
    pid: process.pid,
    version: '1.2.3',
    uptimeMs: 1_500,
    labels: { xcode: '26' },
    allow: { agents: ['main'] },
    pools: { default: { concurrency: 2, running: 2 }, ios: { concurrency: 1, running: 1 } },
    running: ['t1', 't2', 't3'],
    maxTasks: 2,
    openclaw: { mode: 'exec', version: '2026.1.5', expected: null, healthy: true },
    configDigest: live.digest,
    gates: [closed],
    load: { cpu: 0.5, memory: 0.25, eventLoopDelayMs: 1 },
    channels: ['slack/work'],
    journal: { pending: 4, discarded: 1 },
    leaseMs: 15_000,
  });
});

it('sends heartbeats at its interval, counted from the end of the previous one', async () => {
  const { heartbeat, clock, sent, reply } = beating();
  await heartbeat.start();
  reply.takesMs = 200;
  await clock.advance(10_400);
  expect(sent.map(({ atMs }) => atMs)).toEqual([0, 5_000, 10_200]);
});

it('has started when Redis has accepted the first heartbeat, and rejects if Redis refuses it', async () => {
  const { heartbeat, clock, reply } = beating();
  reply.error = new ClawmeshError('fenced', 'replaced');
  await expect(heartbeat.start()).rejects.toThrow('replaced');
  expect(clock.pending).toBe(0);
});

it('sweeps with each heartbeat, and forwards what the sweep found', async () => {
  const { heartbeat, sent, did } = beating();
  await heartbeat.start();
  expect(sent[0]?.how).toBe(withBeat);
  expect(did).toContainEqual(['found', swept]);
});

it('knows the age of the last heartbeat that Redis accepted', async () => {
  const { heartbeat, clock, reply } = beating();
  expect(heartbeat.ageMs).toBe(Number.POSITIVE_INFINITY);
  await heartbeat.start();
  reply.error = new Error('connection lost');
  await clock.advance(12_000);
  expect(heartbeat.ageMs).toBe(12_000);
});

it('continues its heartbeats after a Redis error', async () => {
  const { heartbeat, clock, sent, reply, logged } = beating();
  await heartbeat.start();
  reply.error = new Error('connection lost');
  await clock.advance(5_000);
  reply.error = undefined;
  await clock.advance(5_000);
  expect(sent).toHaveLength(3);
  expect(heartbeat.ageMs).toBe(0);
  expect(logged).toMatchObject([{ msg: 'request to Redis failed', error: 'connection lost' }]);
});

it('reports to the observer how long Redis took', async () => {
  const trips: number[] = [];
  const observer = { claimed() {}, ended() {}, handedOver() {}, beat: (ms: number) => void trips.push(ms) };
  const { heartbeat, clock, reply } = beating({ observer });
  reply.takesMs = 30;
  const started = heartbeat.start();
  await clock.advance(30);
  await started;
  expect(trips).toEqual([30]);
});

it('drains and resumes the node as the desired state says', async () => {
  const { heartbeat, reply, did } = beating();
  await heartbeat.start();
  reply.desired = 'drain';
  await heartbeat.beat();
  reply.desired = undefined;
  await heartbeat.beat();
  expect(did.filter((one) => one !== 'renewAll' && (one as unknown[])[0] === 'drained')).toEqual([
    ['drained', false],
    ['drained', true],
    ['drained', false],
  ]);
});

it('pauses the node as the desired state says, and ends the pause once the mesh wants none', async () => {
  const { heartbeat, reply, did } = beating();
  const pause = { at: '2026-11-28T10:00:00.000Z', until: null, note: 'new disk', by: 'ada on mac-1' };
  reply.pause = pause;
  await heartbeat.start();
  reply.pause = undefined;
  await heartbeat.beat();
  expect(did.filter((one) => one !== 'renewAll' && (one as unknown[])[0] === 'paused')).toEqual([
    ['paused', pause],
    ['paused', undefined],
  ]);
});

it.each(['drill-crash', 'drill-freeze'] as const)('obeys the desired state %s, for two leases', async (desired) => {
  const { heartbeat, reply, log } = beating();
  reply.desired = desired;
  await heartbeat.start();
  expect(vi.mocked(crashForDrill).mock.calls).toEqual([[desired, 30_000, log]]);
});

it('renews all claims if Redis’ clock jumped, but not for a small difference', async () => {
  const { heartbeat, reply, did, redisClock, clock } = beating();
  await heartbeat.start();
  reply.aheadMs = 2_000;
  await heartbeat.beat();
  expect(did).not.toContain('renewAll');
  reply.aheadMs = 7_000;
  await heartbeat.beat();
  expect(did.filter((one) => one === 'renewAll')).toHaveLength(1);
  expect(redisClock.now).toBe(clock.now() + 7_000);
});

it('sends a heartbeat at once when the gates change, but not before it has started', async () => {
  const { heartbeat, events, sent } = beating();
  events.emit('gatesChanged');
  expect(sent).toHaveLength(0);
  await heartbeat.start();
  events.emit('gatesChanged');
  expect(sent).toHaveLength(2);
});

it('reports once, with its last heartbeat, that the node has stopped', async () => {
  const { heartbeat, clock, sent } = beating();
  await heartbeat.start();
  await Promise.all([heartbeat.stop(), heartbeat.stop()]);
  await heartbeat.beat();
  await clock.advance(60_000);
  expect(sent.map(({ record }) => record.state)).toEqual(['up', 'stopped']);
});

it('ignores the desired state in the reply to its last heartbeat', async () => {
  const { heartbeat, reply, did } = beating();
  await heartbeat.start();
  did.length = 0;
  Object.assign(reply, { desired: 'drill-crash', aheadMs: 60_000 });
  await heartbeat.stop();
  expect(did).toEqual([['found', swept]]);
  expect(crashForDrill).not.toHaveBeenCalled();
});

it('sends no last heartbeat for an incarnation that is fenced or never started', async () => {
  const fenced = beating();
  await fenced.heartbeat.start();
  fenced.events.emit('fenced');
  await fenced.heartbeat.stop();
  const idle = beating();
  await idle.heartbeat.stop();
  expect([fenced.sent.length, idle.sent.length]).toEqual([1, 0]);
});

it('sends its last heartbeat although another one hangs', async () => {
  const { heartbeat, clock, sent, reply } = beating();
  await heartbeat.start();
  reply.takesMs = 60_000;
  await clock.advance(5_000);
  reply.takesMs = 0;
  void heartbeat.stop();
  await clock.advance(0);
  expect(sent.map(({ record }) => record.state)).toEqual(['up', 'up', 'stopped']);
});
