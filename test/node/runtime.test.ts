import { beforeEach, expect, it, vi } from 'vitest';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { NodeRecord } from '../../src/domain/node.ts';
import { NodeRuntime } from '../../src/node/runtime.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { Presence } from '../../src/registry/presence.ts';
import { testContext } from '../support/node-context.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

// What the machine says takes real time, which the virtual clock does not wait for.
vi.mock(import('../../src/platform/battery.ts'), async (real) => ({
  ...(await real()),
  batteryInUse: async () => null,
}));
vi.mock(import('../../src/platform/thermal.ts'), async (real) => ({ ...(await real()), speedLimit: async () => 1 }));
vi.mock(import('../../src/platform/disk-and-memory.ts'), async (real) => ({
  ...(await real()),
  freeMemory: async () => 8e9,
  freeDisk: async () => 1e12,
}));

beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));

const fencedError = new ClawmeshError('fenced', 'mac-1 incarnation 1 was replaced');
const swept = {
  nodes: 1,
  rank: 0,
  pending: 0,
  dueMs: 0,
  held: 0,
  busy: false,
  waiting: false,
  pass: false,
  deaths: [],
};

/** A daemon whose backend writes down every call, and how one of them can be made to behave differently. */
function daemonOf() {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const instead: Record<string, () => Promise<unknown>> = {};
  const call =
    <T>(name: string, value: T) =>
    async (): Promise<T> => {
      calls.push(name);
      return (instead[name] ? await instead[name]() : value) as T;
    };
  let endWait = () => {};
  const queue: Partial<PoolQueue> = {
    pool: 'default',
    waitForWork: () => {
      calls.push('waitForWork');
      return new Promise((resolve) => {
        endWait = () => resolve(false);
      });
    },
    interrupt: async () => {
      await call('interrupt', undefined)();
      endWait();
    },
    close: call('close', undefined),
    renew: async () => [],
    removeExpired: async () => 0,
  };
  const presence = { show: call('show', undefined), hide: () => void calls.push('hide') };
  const context = testContext({
    clock,
    registry: {
      register: call('register', { incarnation: 1, redisTime: clock.now() }),
      channels: () => ['own', 'all'],
      beat: async (_: unknown, { state }: NodeRecord) => {
        await call(state === 'stopped' ? 'last beat' : 'beat', undefined)();
        return { redisTime: clock.now(), desired: undefined, pause: undefined, swept };
      },
      sweep: async () => swept,
      sampleMesh: async () => ({ redisPolicy: 'noeviction', pausedPools: [], digests: new Map() }),
      endReservation: async () => {},
    },
    backend: {
      openPresence: call('openPresence', presence as unknown as Presence),
      openQueue: call('openQueue', queue as PoolQueue),
      mendSchedules: async () => [],
      tidyMesh: async () => 0,
      openOutbox: () => ({
        take: async () => ({ delivery: undefined, nextDueInMs: undefined }),
        report: async () => true,
      }),
      onReconnect: () => {
        calls.push('onReconnect');
        return () => calls.push('no onReconnect');
      },
    },
    runner: {
      stopLeftovers: call('settle', undefined),
      health: call('health', { version: '1', healthy: true, reason: null }),
    },
    journal: { onTrouble: () => () => {} },
  });
  /** Each call once, in the order of the first of each. */
  const order = () => [...new Set(calls)];
  return { context, clock, calls, instead, order };
}

const begun = async () => {
  const daemon = daemonOf();
  const runtime = await NodeRuntime.begin(daemon.context, 0);
  await settled();
  return { ...daemon, runtime };
};

it('starts presence, lease, queues, cleanup of OpenClaw and its health check, and only then claims', async () => {
  const { order } = await begun();
  expect(order().filter((name) => name !== 'interrupt')).toEqual([
    'register',
    'openPresence',
    'show',
    'beat',
    'openQueue',
    'settle',
    'health',
    'waitForWork',
    'onReconnect',
  ]);
});

it('is ready once it has started', async () => {
  const { runtime } = await begun();
  expect(runtime.standing()).toMatchObject({ ready: true, incarnation: 1, reasons: [], heartbeatAgeMs: 0 });
});

it('stops in the opposite order, and reports last that it has stopped', async () => {
  const { runtime, calls, clock } = await begun();
  calls.length = 0;
  await runtime.stop('release');
  expect([calls, clock.pending]).toEqual([['no onReconnect', 'interrupt', 'close', 'last beat', 'hide'], 0]);
});

it('sends nothing to Redis when it stops a fenced incarnation', async () => {
  const { runtime, calls, clock } = await begun();
  calls.length = 0;
  await runtime.stop('fenced');
  await clock.advance(60_000);
  expect([calls, clock.pending]).toEqual([['no onReconnect', 'interrupt', 'close', 'hide'], 0]);
});

it('knows that it is fenced when Redis refuses a heartbeat', async () => {
  const { runtime, instead, clock } = await begun();
  let isFenced = false;
  void runtime.fenced.then(() => {
    isFenced = true;
  });
  await clock.advance(0);
  expect(isFenced).toBe(false);
  instead.beat = () => Promise.reject(fencedError);
  await clock.advance(60_000);
  expect(isFenced).toBe(true);
});

it.each(['openPresence', 'show', 'beat', 'openQueue', 'settle'])(
  'stops what it has started, and rejects, if %s fails at the start',
  async (step) => {
    const { context, instead, clock, calls } = daemonOf();
    instead[step] = () => Promise.reject(new Error(`no ${step}`));
    await expect(NodeRuntime.begin(context, 0)).rejects.toThrow(`no ${step}`);
    expect(clock.pending).toBe(0);
    expect(calls.includes('hide')).toBe(step !== 'openPresence');
    expect(calls).not.toContain('last beat');
    expect(calls).not.toContain('waitForWork');
    const before = calls.length;
    await clock.advance(60_000);
    expect(calls).toHaveLength(before);
  },
);

it('opens nothing if Redis does not register it', async () => {
  const { context, instead, calls } = daemonOf();
  instead.register = () => Promise.reject(fencedError);
  await expect(NodeRuntime.begin(context, 0)).rejects.toThrow(fencedError.message);
  expect(calls).toEqual(['register']);
});

it.each(['interrupt', 'close', 'last beat'])(
  'waits 10 s for a service whose %s hangs, then stops the others',
  async (hung) => {
    const { runtime, instead, calls, clock } = await begun();
    instead[hung] = () => new Promise(() => {});
    let isStopped = false;
    void runtime.stop('release').then(() => {
      isStopped = true;
    });
    await clock.advance(9_999);
    expect(calls).not.toContain('hide');
    await clock.advance(1);
    expect([isStopped, calls.at(-1)]).toEqual([true, 'hide']);
  },
);

it('stops all other services if one cannot stop', async () => {
  const { runtime, instead, calls, context } = await begun();
  instead.close = () => Promise.reject(new Error('no connection'));
  await runtime.stop('release');
  expect(calls.slice(-2)).toEqual(['last beat', 'hide']);
  expect(context.logged).toContainEqual(
    expect.objectContaining({ msg: 'a service did not stop cleanly', error: 'no connection' }),
  );
});

it('claims nothing from the beginning of a drain', async () => {
  const { runtime, calls } = await begun();
  calls.length = 0;
  await runtime.drain(new Promise(() => {}));
  expect(calls).not.toContain('waitForWork');
  expect(runtime.standing()).toMatchObject({ ready: false });
});
