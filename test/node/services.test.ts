import type { monitorEventLoopDelay } from 'node:perf_hooks';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { Claim } from '../../src/domain/claim.ts';
import { boxOf } from '../../src/domain/delivery.ts';
import { taskError } from '../../src/domain/task.ts';
import { defineGate } from '../../src/gates/gate.ts';
import { Alerts } from '../../src/node/alerts.ts';
import type { AttemptRun } from '../../src/node/attempt-run.ts';
import { AuthBackoff } from '../../src/node/auth-backoff.ts';
import type { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Deliveries } from '../../src/node/deliveries.ts';
import { FailureStreak } from '../../src/node/failure-streak.ts';
import { Gates } from '../../src/node/gates.ts';
import { Heartbeat } from '../../src/node/heartbeat.ts';
import { createHeldReleaser } from '../../src/node/held-releaser.ts';
import { Inbox } from '../../src/node/inbox.ts';
import { createJanitor } from '../../src/node/janitor.ts';
import { LoadMeter } from '../../src/node/load.ts';
import { NodeProbe } from '../../src/node/node-probe.ts';
import { OnDemand } from '../../src/node/on-demand.ts';
import { OpenClawWatch } from '../../src/node/openclaw-watch.ts';
import { Periodic } from '../../src/node/periodic.ts';
import { Renewal } from '../../src/node/renewal.ts';
import { RunSet } from '../../src/node/run-set.ts';
import type { Service } from '../../src/node/service.ts';
import { SleepWatch } from '../../src/node/sleep-watch.ts';
import { Sweep } from '../../src/node/sweep.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { AlertFeed } from '../../src/registry/alert-feed.ts';
import type { Holders } from '../../src/registry/holders.ts';
import type { Presence } from '../../src/registry/presence.ts';
import type { SweepOptions, Swept } from '../../src/registry/sweeping.ts';
import { type Parts, testContext } from '../support/node-context.ts';
import { seeded } from '../support/seeded.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const HOUR_MS = 3_600_000;
/** Long enough for every service to begin work by itself. */
const WHILE_MS = 70_000;

/** All that is outside of a service: knows what the service has begun there, and can keep it from ending. */
class World {
  readonly clock = new VirtualClock();
  /** Names of the calls, oldest first. */
  readonly calls: string[] = [];
  /** Calls that have not ended. */
  underWay = 0;
  /** Connections and the like that the service has to close. */
  open = 0;
  #hold: PromiseWithResolvers<void> | undefined;

  /** A function of the outside that returns `value`. */
  call<T>(name: string, value: T): () => Promise<T> {
    return async () => {
      this.calls.push(name);
      this.underWay++;
      await this.#hold?.promise;
      this.underWay--;
      return value;
    };
  }

  /** Calls do not end from here on. */
  hold(): void {
    this.#hold ??= Promise.withResolvers();
  }

  letGo(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  context(parts: Parts = {}) {
    return testContext({ ...parts, clock: this.clock });
  }
}

interface Subject {
  readonly service: Service;
  /** Everything from outside that makes the service do something. */
  readonly provoke: () => void;
}

const onError = (error: unknown) => {
  throw error;
};
const nothing = () => {};
const NO_DRAIN = { why: undefined };
const NO_SAMPLE = {
  freeMemory: undefined,
  battery: undefined,
  otherDigest: undefined,
  redisPolicy: undefined,
  pausedPools: [],
  speed: undefined,
};
const openGates = { report: () => ({ state: 'up' as const, gates: [] }) };
const swept: Swept = {
  nodes: 1,
  rank: 0,
  pending: 1,
  dueMs: 0,
  held: 1,
  busy: true,
  waiting: true,
  pass: true,
  deaths: [],
};

const SUBJECTS: Readonly<Record<string, (world: World) => Subject | Promise<Subject>>> = {
  Periodic: (world) => {
    const work = world.call('work', undefined);
    const service = new Periodic({ name: 'p', clock: world.clock, intervalMs: 1_000, work, onError });
    return { service, provoke: nothing };
  },
  OnDemand: (world) => {
    const work = world.call('work', undefined);
    const service = new OnDemand({ name: 'o', clock: world.clock, work, onError, rest: 4 });
    return { service, provoke: () => service.ask() };
  },
  SleepWatch: ({ clock, calls }) => ({
    service: new SleepWatch(clock, () => void calls.push('slept')),
    provoke: () => clock.setWall(clock.now() + HOUR_MS),
  }),
  Heartbeat: (world) => {
    const beat = world.call('beat', { redisTime: world.clock.now(), desired: undefined, pause: undefined, swept });
    const context = world.context({ registry: { beat } });
    const service = new Heartbeat(context, {
      gates: openGates,
      runs: { runs: [] },
      sweep: { withBeat: {} as SweepOptions, found: nothing },
      renewal: { renewAll: world.call('renewAll', undefined) },
      drain: { set: nothing },
      pause: { set: nothing },
      openclaw: { state: { mode: 'exec', version: null, expected: null, healthy: true } },
      load: { read: () => ({ cpu: 0, memory: 0, eventLoopDelayMs: 0 }) },
      deliveries: { channels: [] },
    });
    const provoke = () => {
      context.events.emit('gatesChanged');
      void service.beat();
    };
    return { service, provoke };
  },
  Inbox: (world) => {
    let tell: (message: string) => void = nothing;
    const openPresence = async (onMessage: (message: string) => void) => {
      tell = onMessage;
      await world.call('openPresence', undefined)();
      world.open++;
      let isOpen = true;
      const hide = () => {
        if (isOpen) world.open--;
        isOpen = false;
      };
      return { show: world.call('show', undefined), hide } as unknown as Presence;
    };
    const holders = { answer: world.call('answer', undefined) } as unknown as Holders;
    const context = world.context({
      backend: { openPresence, holders },
      registry: { channels: () => ['own', 'all'] },
    });
    const service = new Inbox(context, {
      heartbeat: { beat: world.call('beat', undefined) },
      runs: { stopRuns: () => void world.calls.push('stopRuns') },
      sweep: { wake: () => void world.calls.push('wake') },
    });
    return { service, provoke: () => ['who q', 'beat', 'busy', 'cancel t1'].forEach((text) => void tell(text)) };
  },
  Sweep: (world) => {
    const context = world.context({
      registry: {
        sweep: world.call('sweep', swept),
        pendingDeaths: world.call('pendingDeaths', []),
        clearDeaths: world.call('clearDeaths', undefined),
        tellBusy: world.call('tellBusy', undefined),
      },
      backend: { requeue: world.call('requeue', []) },
    });
    const releaser = { ask: () => void world.calls.push('ask') };
    const service = new Sweep(context, { runs: { count: 1, waitsForWork: true }, releaser });
    const provoke = () => {
      context.events.emit('runsChanged');
      service.wake();
      service.found(swept);
    };
    return { service, provoke };
  },
  Renewal: (world) => {
    const run = { claim: {}, renewed: nothing, expiresWithin: () => true, stop: () => void world.calls.push('stop') };
    const loop = { queue: { renew: world.call('renew', []) }, runs: new Set([run]) } as unknown as ClaimLoop;
    const service = new Renewal(world.context(), { loops: [loop], runs: [run as unknown as AttemptRun] });
    return { service, provoke: () => void service.renewAll() };
  },
  Gates: (world) => {
    const probe = world.call('probe', true);
    const gate = defineGate({ name: 'disk', every: 10_000, probe, check: () => null, remedy: 'none' });
    const context = world.context({ registry: { noteGates: world.call('noteGates', undefined) } });
    const backoff = new AuthBackoff(context);
    const openclaw = { state: { mode: 'exec' as const, version: null, expected: null, healthy: true }, trouble: null };
    const sources = {
      openclaw,
      auth: backoff,
      failures: backoff,
      probe: { sample: NO_SAMPLE },
      drain: NO_DRAIN,
      pause: NO_DRAIN,
    };
    const provoke = () => {
      context.events.emit('factsChanged');
      context.events.emit('configChanged');
    };
    return { service: new Gates(context, sources, [gate]), provoke };
  },
  RunSet: async (world) => {
    let interrupted = new AbortController();
    const queue: Partial<PoolQueue> = {
      pool: 'default',
      waitForWork: async () => {
        const wait = new AbortController();
        interrupted = wait;
        await world.clock.sleep(10_000, wait.signal);
        return !wait.signal.aborted;
      },
      claim: world.call('claim', undefined),
      claimHeld: world.call('claimHeld', undefined),
      recover: world.call('recover', []),
      interrupt: async () => {
        await world.call('interrupt', undefined)();
        interrupted.abort();
      },
    };
    const context = world.context({ backend: { openQueue: async () => queue as PoolQueue } });
    const probe = { pressure: 1 };
    const service = new RunSet(context, { gates: { open: true }, probe, auth: new AuthBackoff(context), backoffs: [] });
    await service.open();
    const provoke = () => {
      context.events.emit('heldFor', [{ pool: 'default', why: 'node:mac-1', node: 'mac-1' }]);
      context.events.emit('gatesChanged');
      context.events.emit('configChanged');
      void service.recoverClaims();
    };
    return { service, provoke };
  },
  NodeProbe: (world) => {
    const sampleMesh = world.call('sampleMesh', { redisPolicy: 'noeviction', pausedPools: [], digests: new Map() });
    const context = world.context({ registry: { sampleMesh } });
    const machine = {
      freeMemory: world.call('freeMemory', 1),
      battery: world.call('battery', null),
      speed: world.call('speed', 1),
    };
    const service = new NodeProbe(context, { cpu: 0 }, machine);
    return { service, provoke: () => context.events.emit('configChanged') };
  },
  OpenClawWatch: (world) => {
    const health = world.call('health', { version: '1', healthy: false, reason: 'down' });
    const context = world.context({ runner: { health } });
    const service = new OpenClawWatch(context, { checked: world.call('checked', undefined) });
    return { service, provoke: () => context.events.emit('configChanged') };
  },
  Deliveries: (world) => {
    const messenger = { channels: world.call('channels', []), send: world.call('send', { sent: true as const }) };
    const outbox = {
      take: world.call('take', { delivery: undefined, nextDueInMs: 1_000 }),
      report: world.call('report', true),
    };
    const context = world.context({ runner: { messenger }, backend: { openOutbox: () => outbox } });
    const provoke = () => context.events.emit('answerReady', { box: boxOf({ webhook: 'https://127.0.0.1:9/' }) });
    return { service: new Deliveries(context), provoke };
  },
  AuthBackoff: (world) => {
    const loginTrouble = world.call('loginTrouble', 'logged out');
    const service = new AuthBackoff(world.context({ runner: { loginTrouble }, registry: { list: async () => [] } }));
    return { service, provoke: () => void service.refused({ pool: 'default', spec: { message: '', tags: {} } }, 'no') };
  },
  FailureStreak: (world) => {
    const context = world.context();
    const outcome = { ok: false as const, error: taskError('crash', 'exit code 1') };
    const fail = (taskId: string) => context.events.emit('runEnded', { claim: { taskId } as Claim, outcome });
    return { service: new FailureStreak(context), provoke: () => ['a', 'b', 'c', 'd', 'e'].forEach(fail) };
  },
  Alerts: (world) => {
    const feed = {
      open: world.call('open', undefined),
      take: world.call('take', []),
      watches: world.call('watches', false),
    } as unknown as AlertFeed;
    const config = configSchema.parse({ mesh: 'm', alerts: { webhook: 'http://127.0.0.1:9/' } });
    const current = async () => ({ nodes: [], waitedMs: new Map(), tooLongMs: 0 });
    return {
      service: new Alerts({ config, feed, clock: world.clock, current, log: world.context().log }),
      provoke: nothing,
    };
  },
  LoadMeter: (world) => {
    const enable = () => {
      world.open = 1;
      return true;
    };
    const disable = () => {
      world.open = 0;
      return true;
    };
    return {
      service: new LoadMeter({ enable, disable } as unknown as ReturnType<typeof monitorEventLoopDelay>),
      provoke: nothing,
    };
  },
  'the releaser of held tasks': (world) => {
    const releaseHeld = world.call('releaseHeld', { heldFor: [] });
    const service = createHeldReleaser(world.context({ backend: { releaseHeld } }));
    return { service, provoke: () => service.ask() };
  },
  'the janitor': (world) => {
    const backend = { mendSchedules: world.call('mendSchedules', []), tidyMesh: world.call('tidyMesh', 0) };
    const loop = { queue: { removeExpired: world.call('removeExpired', 0) } } as unknown as ClaimLoop;
    return { service: createJanitor(world.context({ backend }), { loops: [loop] }), provoke: nothing };
  },
};

/** These only wait for a timer, or for nothing. */
const WITHOUT_WORK = new Set(['SleepWatch', 'FailureStreak', 'LoadMeter']);

/** No round comes a little early or late. */
beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));

const subject = async (name: string) => {
  const world = new World();
  const { service, provoke } = await (SUBJECTS[name] as (typeof SUBJECTS)[string])(world);
  return { world, service, provoke };
};

/** Everything is tried that could make a stopped service do something. */
async function expectSilence({ world, service, provoke }: Awaited<ReturnType<typeof subject>>): Promise<void> {
  const before = [...world.calls];
  provoke();
  await service.start();
  provoke();
  await world.clock.advance(HOUR_MS);
  expect(world.calls).toEqual(before);
  expect({ timers: world.clock.pending, underWay: world.underWay, open: world.open }).toEqual({
    timers: 0,
    underWay: 0,
    open: 0,
  });
}

describe.each(Object.keys(SUBJECTS))('%s', (name) => {
  it('starts once, however often its start is called', async () => {
    const [once, twice] = [await subject(name), await subject(name)];
    await once.service.start();
    await Promise.all([twice.service.start(), twice.service.start()]);
    await twice.service.start();
    for (const { world, provoke } of [once, twice]) {
      await world.clock.advance(WHILE_MS);
      provoke();
      await world.clock.advance(WHILE_MS);
    }
    expect(twice.world.calls).toEqual(once.world.calls);
    expect([twice.world.clock.pending, twice.world.open]).toEqual([once.world.clock.pending, once.world.open]);
  });

  it('stops without ever having started, and begins nothing after that', async () => {
    const tested = await subject(name);
    await tested.service.stop();
    await expectSilence(tested);
  });

  it('begins nothing after a stop, and leaves no timer behind', async () => {
    const tested = await subject(name);
    await tested.service.start();
    tested.provoke();
    await tested.world.clock.advance(WHILE_MS);
    await Promise.all([tested.service.stop(), tested.service.stop()]);
    await tested.service.stop();
    await expectSilence(tested);
  });

  it.skipIf(WITHOUT_WORK.has(name))('stops only when all work under way has ended', async () => {
    const tested = await subject(name);
    await tested.service.start();
    await tested.world.clock.advance(0);
    tested.world.hold();
    tested.provoke();
    await tested.world.clock.advance(WHILE_MS);
    expect(tested.world.underWay).toBeGreaterThan(0);
    const underWay: number[] = [];
    const stopped = [tested.service.stop(), tested.service.stop()].map((stop) =>
      stop.then(() => underWay.push(tested.world.underWay)),
    );
    await settled();
    expect(underWay).toEqual([]);
    tested.world.letGo();
    await Promise.all(stopped);
    expect(underWay).toEqual([0, 0]);
    await expectSilence(tested);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('keeps this contract when calls come in any order (seed %i)', async (seed) => {
    const tested = await subject(name);
    const random = seeded(seed);
    const called: unknown[] = [];
    const steps = [
      () => called.push(tested.service.start()),
      () => tested.provoke(),
      () => tested.world.clock.advance(random() * WHILE_MS),
      () => tested.world.hold(),
      () => tested.world.letGo(),
    ];
    const step = (some: readonly (() => unknown)[]) => some[Math.floor(random() * some.length)]?.();
    for (let i = 0; i < 8; i++) await step(steps);
    for (let i = 0; i < 8; i++) await step([...steps, () => called.push(tested.service.stop())]);
    const stopped = tested.service.stop();
    tested.world.letGo();
    await Promise.all([stopped, ...called]);
    await expectSilence(tested);
  });
});

it('names every service in its logs, each differently', async () => {
  const names = await Promise.all(Object.keys(SUBJECTS).map(async (name) => (await subject(name)).service.name));
  expect(new Set(names).size).toBe(names.length);
});
