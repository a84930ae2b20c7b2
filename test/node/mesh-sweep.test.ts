import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createLogger } from '../../src/log/logger.ts';
import { MeshSweep, type MeshSweepOptions } from '../../src/node/mesh-sweep.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import type { SweepOptions, Swept } from '../../src/registry/sweeping.ts';

const IDLE: Swept = {
  nodes: 2,
  rank: 0,
  unsettled: 0,
  dueMs: 0,
  held: 0,
  busy: false,
  waiting: false,
  pass: false,
  deaths: [],
};

/** When a node sweeps; what a sweep does is tested against Redis (registry/sweep.test.ts). */
describe('a node that watches over the others', () => {
  let answer: (how: SweepOptions) => Promise<Swept>;
  let sweeps: { at: number; intervalMs: number }[];
  let told: string[];
  let waits = false;
  let putBackMs = 0;
  let sweep: MeshSweep;

  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
    answer = async () => IDLE;
    sweeps = [];
    told = [];
    waits = false;
    putBackMs = 0;
    sweep = sweepOf({});
  });
  const registry = {
    sweep: (how: SweepOptions) => {
      sweeps.push({ at: Date.now(), intervalMs: how.intervalMs });
      return answer(how);
    },
    tellBusy: async () => void told.push('busy'),
    unsettledDeaths: async () => ['mac-2~1'],
    settleDeaths: async (owners: string[]) => void told.push(`settled ${owners}`),
  };
  const sweepOf = (health: Record<string, string | number>) =>
    new MeshSweep({
      nodeId: 'mac-1',
      registry: registry as unknown as MeshSweepOptions['registry'],
      putBack: async () => {
        told.push('put back');
        await new Promise((resolve) => setTimeout(resolve, putBackMs));
        return [];
      },
      releaseHeld: () => told.push('released'),
      pools: ['default'],
      config: configSchema.parse({ health }),
      now: () => Date.now(),
      waitsForWork: () => waits,
      log: createLogger({ level: 'silent', format: 'json' }),
      onError: (error) => void told.push(String(error)),
      observer: NO_OBSERVER,
    });
  afterEach(() => {
    sweep.stop();
    vi.useRealTimers();
  });
  const times = () => sweeps.map(({ at }) => at);
  const pass = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms);
  };

  it('sweeps in its turn: seldom while the mesh idles, often once there is work', async () => {
    sweep.start();
    await sweep.found(IDLE);
    await pass(4_000);
    expect(times()).toEqual([2_000, 4_000]);
    answer = async () => ({ ...IDLE, busy: true });
    sweep.working();
    sweep.wake();
    await pass(1_000);
    expect(times().slice(2)).toEqual([4_500, 5_000]);
    sweep.working();
    expect(told).toEqual(['busy']);
  });

  it('comes back the moment a grace is over, whatever it hears meanwhile', async () => {
    sweep.start();
    answer = async () => ({ ...IDLE, dueMs: 1_000 });
    await pass(2_000);
    answer = async () => ({ ...IDLE, rank: undefined, busy: true });
    await sweep.found({ ...IDLE, rank: undefined });
    sweep.wake();
    await pass(1_000);
    expect(sweeps.at(-1)).toEqual({ at: 3_000, intervalMs: 0 });
  });

  it('looks again soon while tasks wait and it waits for work', async () => {
    sweep.start();
    answer = async () => ({ ...IDLE, nodes: 40, busy: true, waiting: true });
    await sweep.found(await answer({} as SweepOptions));
    await pass(1_000);
    expect(times()).toEqual([]);
    waits = true;
    await sweep.found(await answer({} as SweepOptions));
    await pass(1_000);
    expect(times()).toEqual([1_250, 1_500, 1_750, 2_000]);
  });

  it('puts back and releases where that is needed, and goes on in its turns after an error', async () => {
    sweep.start();
    answer = async () => ({ ...IDLE, unsettled: 1, held: 2 });
    await pass(1_000);
    answer = async () => Promise.reject(new Error('away'));
    await pass(3_000);
    expect(told.slice(0, 3).toSorted()).toEqual(['put back', 'released', 'settled mac-2~1']);
    expect(told.slice(3)).toEqual(Array(told.length - 3).fill('Error: away'));
    expect(told.length).toBeLessThanOrEqual(6);
    expect(told.length).toBeGreaterThan(3);
  });

  it('sweeps in its turns while a putting back goes on, and puts back once more for what was found meanwhile', async () => {
    putBackMs = 10_000;
    sweep.start();
    answer = async () => ({ ...IDLE, unsettled: sweeps.length < 3 ? 1 : 0 });
    await pass(15_000);
    expect(times()).toEqual([1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000]);
    await pass(10_000);
    expect(told).toEqual(['put back', 'settled mac-2~1', 'put back', 'settled mac-2~1']);
  });

  it('takes heartbeats for a proof that Redis was not frozen, if leases are long enough for that', () => {
    expect(sweepOf({}).withBeat.stallMs).toBe(7_500);
    // Of a lease of one heartbeat hardly anything may be left when Redis freezes.
    expect(sweepOf({ missedHeartbeats: 1 }).withBeat.stallMs).toBe(2_500);
  });

  it('sweeps more often where leases are short, well before a pause counts as a standstill', async () => {
    sweep = sweepOf({ heartbeatInterval: '500ms' });
    sweep.start();
    await pass(1_000);
    expect(times().length).toBeGreaterThan(4);
    expect(sweep.withBeat.idleStallMs).toBe(750);
  });
});
