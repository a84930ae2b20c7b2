import { beforeEach, expect, it } from 'vitest';
import { Sweep } from '../../src/node/sweep.ts';
import type { SweepOptions, Swept } from '../../src/registry/sweeping.ts';
import { type TestContext, testContext } from '../support/node-context.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const IDLE: Swept = {
  nodes: 2,
  rank: 0,
  pending: 0,
  dueMs: 0,
  held: 0,
  busy: false,
  waiting: false,
  pass: false,
  deaths: [],
};

// When a node sweeps; what a sweep does is tested against Redis (registry/sweep.test.ts).
let answer: (how: SweepOptions) => Promise<Swept>;
let sweeps: { at: number; intervalMs: number }[];
let told: string[];
let runs: { count: number; waitsForWork: boolean };
let requeueMs: number;
let context: TestContext;
let sweep: Sweep;

beforeEach(() => {
  answer = async () => IDLE;
  sweeps = [];
  told = [];
  runs = { count: 0, waitsForWork: false };
  requeueMs = 0;
  sweep = sweepOf({});
});
const sweepOf = (health: Record<string, string | number>) => {
  const clock = new VirtualClock(0);
  context = testContext({
    clock,
    config: { health },
    registry: {
      sweep: (how) => {
        sweeps.push({ at: clock.monotonic(), intervalMs: how.intervalMs });
        return answer(how);
      },
      tellBusy: async () => void told.push('busy'),
      pendingDeaths: async () => ['mac-2~1'],
      clearDeaths: async (owners) => void told.push(`settled ${owners}`),
    },
    backend: {
      requeue: async () => {
        told.push('requeued');
        await clock.sleep(requeueMs);
        return [];
      },
    },
  });
  const onError = (error: unknown) => void told.push(String(error));
  return new Sweep({ ...context, onError }, { runs, releaser: { ask: () => void told.push('released') } });
};
const times = () => sweeps.map(({ at }) => at);
const pass = (ms: number) => context.clock.advance(ms);

it('sweeps in its turn, seldom in an idle mesh and often once the node works, and announces its work once', async () => {
  sweep.start();
  sweep.found(IDLE);
  await pass(4_000);
  expect(times()).toEqual([2_000, 4_000]);
  answer = async () => ({ ...IDLE, busy: true });
  context.events.emit('runsChanged');
  runs.count = 1;
  context.events.emit('runsChanged');
  sweep.wake();
  await pass(1_000);
  expect(times().slice(2)).toEqual([4_500, 5_000]);
  context.events.emit('runsChanged');
  expect(told).toEqual(['busy']);
});

it('sweeps the moment a crash grace has ended, whatever other sweeps find before that', async () => {
  sweep.start();
  answer = async () => ({ ...IDLE, dueMs: 1_000 });
  await pass(2_000);
  answer = async () => ({ ...IDLE, rank: undefined, busy: true });
  sweep.found({ ...IDLE, rank: undefined });
  sweep.wake();
  await pass(1_000);
  expect(sweeps.at(-1)).toEqual({ at: 3_000, intervalMs: 0 });
});

it('sweeps again soon if tasks wait although this node waits for work', async () => {
  sweep.start();
  answer = async () => ({ ...IDLE, nodes: 40, busy: true, waiting: true });
  sweep.found(await answer({} as SweepOptions));
  await pass(1_000);
  expect(times()).toEqual([]);
  runs.waitsForWork = true;
  sweep.found(await answer({} as SweepOptions));
  await pass(1_000);
  expect(times()).toEqual([1_250, 1_500, 1_750, 2_000]);
});

it('requeues and releases tasks if a sweep finds any, and keeps its turns after an error', async () => {
  sweep.start();
  answer = async () => ({ ...IDLE, pending: 1, held: 2 });
  await pass(1_000);
  answer = async () => Promise.reject(new Error('away'));
  await pass(3_000);
  expect(told.slice(0, 3).toSorted()).toEqual(['released', 'requeued', 'settled mac-2~1']);
  expect(told.slice(3)).toEqual(['Error: away', 'Error: away']);
  expect(times()).toEqual([1_000, 2_000, 4_000]);
});

it('keeps its turns while it requeues, and requeues again for the finds of sweeps in between', async () => {
  requeueMs = 10_000;
  sweep.start();
  answer = async () => ({ ...IDLE, pending: sweeps.length < 3 ? 1 : 0 });
  await pass(15_000);
  expect(times()).toEqual([1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000]);
  await pass(10_000);
  expect(told).toEqual(['requeued', 'settled mac-2~1', 'requeued', 'settled mac-2~1']);
});

it('takes heartbeats as proof that Redis was not frozen if leases are long enough', () => {
  expect(sweepOf({}).withBeat.stallMs).toBe(7_500);
  // Of a lease of one heartbeat hardly anything may be left when Redis freezes.
  expect(sweepOf({ missedHeartbeats: 1 }).withBeat.stallMs).toBe(2_500);
});

it('sweeps more often if leases are short, well before a pause counts as a standstill', async () => {
  sweep = sweepOf({ heartbeatInterval: '500ms' });
  sweep.start();
  await pass(1_000);
  expect(times()).toEqual([100, 200, 400, 600, 800, 1_000]);
  expect(sweep.withBeat.idleStallMs).toBe(750);
});
