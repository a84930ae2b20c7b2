import { afterAll, beforeAll, expect, it } from 'vitest';
import { CIRCUIT_TRANSITIONS, type CircuitState, circuitStateOf } from '../../src/domain/circuit-state.ts';
import type { Claim } from '../../src/domain/claim.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { type NewTask, type Outcome, taskError } from '../../src/domain/task.ts';
import { closeCircuit, listCircuits } from '../../src/queue/bullmq/circuits.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { scripts } from '../../src/queue/bullmq/scripts.ts';
import { claimNext, makeProbesDue, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const POOL = 'default';
const CIRCUIT = 'p/m';

/** The runs that a situation has left under way, by what the circuit should think of them. */
interface Runs {
  /** It began before the first failure. */
  early: Claim;
  /** It probes the provider, or did. */
  probe?: Claim;
}

let server: TestRedis;
let mesh: TestMesh;
let node: PoolConsumer;
let runs: Runs;
let resets = 0;
beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'circuits');
  node = await mesh.node('mac-1');
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

// A node tells Redis of each outcome once, so each report has one of its own.
const failure = (kind: ErrorKind) => (): Outcome => ({ ok: false, error: taskError(kind, `simulated ${kind}`) });
const succeeded = (): Outcome => ({ ...success });
const enqueue = async (fields: Partial<NewTask> = {}) =>
  mesh.producer.enqueue([newTask({ model: CIRCUIT, ...fields })]);
const claimNew = async (): Promise<Claim> => {
  await enqueue();
  return claimNext(node);
};
const newRun = async (kind: ErrorKind): Promise<Claim> => {
  const claim = await claimNew();
  await node.report(claim, failure(kind)());
  return claim;
};
const release = () => releaseHeld(mesh.redis, mesh.keys);
/** Redis' clock has to move on, so that a later run began after the circuit opened. */
const tick = () => new Promise((resolve) => setTimeout(resolve, 5));
const change = async (fields: object): Promise<void> => {
  const stored = await mesh.redis.hget(mesh.keys.circuits, CIRCUIT);
  if (stored === null) return;
  await mesh.redis.hset(mesh.keys.circuits, CIRCUIT, JSON.stringify({ ...JSON.parse(stored), ...fields }));
};
/** The task that is held becomes the probe, and is claimed. */
const claimProbe = async (): Promise<Claim> => {
  await tick();
  await makeProbesDue(mesh);
  await release();
  return claimNext(node);
};
const openByRateLimit = async (): Promise<Claim> => newRun('rate_limit');
/** The claim of the probe; released, but not claimed yet, it's claimed now. */
const probe = async (): Promise<Claim | undefined> => runs.probe ?? node.claim();
const begins = async (): Promise<void> => {
  runs = { early: await claimNew() };
};

const SITUATIONS: Readonly<Record<CircuitState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: { 'no run has failed': begins },
  counting: {
    'one run has failed': async () => {
      await begins();
      await newRun('provider');
    },
    'runs of one task have failed often': async () => {
      await begins();
      const [task] = await enqueue({ attempts: 9 });
      for (let run = 0; run < 4; run++) {
        await node.report(await claimNext(node), failure('provider')());
        await mesh.redis.zadd(mesh.keys.pool(POOL, 'delayed'), 'XX', 1, task?.id ?? '');
        await mesh.redis.zadd(mesh.keys.pool(POOL, 'marker'), 0, '0');
      }
    },
  },
  open: {
    'the provider has refused': async () => {
      await begins();
      await openByRateLimit();
    },
    'several tasks have failed': async () => {
      await begins();
      for (let run = 0; run < 3; run++) await newRun('provider');
    },
    'no task is held': async () => {
      await begins();
      const { taskId } = await openByRateLimit();
      await mesh.control.cancel({ id: taskId, pool: POOL }, 'by the test');
    },
    'an earlier probe still runs': async () => {
      await begins();
      await openByRateLimit();
      runs.probe = await claimProbe();
      await change({ dueAt: 1, probeUntil: 1 });
      await node.report(await claimNew(), failure('provider')());
    },
  },
  probing: {
    'its probe waits for a node, and others are held': async () => {
      await begins();
      await openByRateLimit();
      await enqueue();
      await node.claim();
      await tick();
      await makeProbesDue(mesh);
      await release();
    },
    'its probe runs': async () => {
      await begins();
      await openByRateLimit();
      runs.probe = await claimProbe();
    },
    'its probe runs, and others are held': async () => {
      await begins();
      await openByRateLimit();
      runs.probe = await claimProbe();
      await enqueue();
      await node.claim();
    },
  },
};

type Call = TableCall<CircuitState, (typeof CIRCUIT_TRANSITIONS)[number]>;
const reportEarly = (outcome: () => Outcome, ...may: Call['may']): Call => ({
  may,
  act: () => node.report(runs.early, outcome()),
});
const reportProbe = (outcome: () => Outcome, ...may: Call['may']): Call => ({
  may,
  act: async () => {
    const claim = await probe();
    if (claim) await node.report(claim, outcome());
  },
});

const CALLS: Readonly<Record<string, Call>> = {
  'a run from before the outage succeeds': reportEarly(succeeded, 'close by node'),
  'a run from before the outage shows a bad request': reportEarly(failure('invalid'), 'close by node'),
  'a run from before the outage fails': reportEarly(failure('provider'), 'count by node', 'open by node'),
  'a run from before the outage is refused': reportEarly(failure('rate_limit'), 'open by node'),
  'a run from before the outage crashes': reportEarly(failure('crash')),
  'the probe succeeds': reportProbe(succeeded, 'close by node'),
  'the probe fails': reportProbe(failure('provider'), 'end-probe by node'),
  'the probe crashes': reportProbe(failure('crash'), 'end-probe by node'),
  'the probe is cancelled': {
    may: [],
    act: async () => {
      const claim = await probe();
      if (claim) await mesh.control.cancel({ id: claim.taskId, pool: POOL }, 'by the test');
    },
  },
  'a new task is claimed': { may: [], act: claimOnce },
  'a new task is claimed when a probe is due': {
    may: ['probe by node'],
    act: async () => {
      await makeProbesDue(mesh);
      await claimOnce();
    },
  },
  'held tasks are released': { may: [], act: release },
  'held tasks are released when a probe is due': {
    may: ['probe by sweep'],
    act: async () => {
      await makeProbesDue(mesh);
      await release();
    },
  },
  'held tasks are released in a paused pool after the time of the probe': {
    may: ['end-probe by sweep'],
    act: async () => {
      await setPoolPaused(mesh.redis, mesh.keys, POOL, true);
      await change({ probeUntil: 1 });
      await release();
    },
  },
  'the node dies': { may: [], act: () => mesh.registry.evict('mac-1', 15_000) },
  'an operator closes it': {
    may: ['close by command'],
    act: () => closeCircuit(mesh.redis, mesh.keys, CIRCUIT, 'by the test'),
  },
  'long unused circuits are forgotten': {
    may: ['forget by sweep'],
    act: () => scripts.forgetCircuits.run(mesh.redis, mesh.keys, [0, 0]),
  },
};

async function claimOnce(): Promise<void> {
  await enqueue();
  await node.claim();
}

holdToTable({
  name: 'a circuit',
  table: CIRCUIT_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: async () => {
    await mesh.redis.flushdb();
    // No version of an earlier case comes again, so the node reads the circuits again.
    await mesh.redis.set(mesh.keys.circuitsVersion, ++resets * 1_000);
    await mesh.registry.register('mac-1', [POOL], 1_800_000);
  },
  stateOf: async () => {
    const found = (await listCircuits(mesh.redis, mesh.keys)).find((circuit) => circuit.name === CIRCUIT);
    return circuitStateOf(found);
  },
});

it('shows a circuit without failures as none', () => {
  expect(circuitStateOf(undefined)).toBe('none');
});
