import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { newTaskId } from '../../src/domain/ids.ts';
import { type NewTask, type Outcome, type TaskRef, taskError } from '../../src/domain/task.ts';
import {
  allows,
  type QueueState,
  shownState,
  TASK_TRANSITIONS,
  type TaskTransition,
} from '../../src/domain/task-state.ts';
import { closeCircuit } from '../../src/queue/bullmq/circuits.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { removeExpired } from '../../src/queue/bullmq/retention.ts';
import { taskIdOf } from '../../src/queue/bullmq/stored-schedule.ts';
import { timesAfter } from '../../src/queue/schedule-times.ts';
import { type Happening, happeningOf, pathOf } from '../model/task-paths.ts';
import { makeTimesDue, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { isRefusal } from '../support/transitions.ts';

const POOL = 'default';
const LEASE_MS = 15_000;
const MAX_HANDOVERS = 1;

/** A task in some state, and who knows it. */
interface Stage {
  readonly id: string;
  /** The claim that a node holds or believes to hold. */
  readonly claim?: Claim | undefined;
  /** Who has the claim; else the first node. */
  readonly holder?: PoolConsumer;
}

/** Two nodes, and the next incarnation of the first, on a Redis that is emptied for each case. */
interface Scene {
  readonly mesh: TestMesh;
  readonly one: PoolConsumer;
  readonly two: PoolConsumer;
  readonly nextOne: PoolConsumer;
}

let server: TestRedis;
let scene: Scene;
beforeAll(async () => {
  server = await startRedis();
  const mesh = await openTestMesh(server.url, 'states');
  const [one, two, nextOne] = [await mesh.node('mac-1'), await mesh.node('mac-2'), await mesh.node('mac-1')];
  scene = { mesh, one, two, nextOne };
});
afterAll(async () => {
  await scene.mesh.close();
  await server.stop();
});

const queued = async (fields: Partial<NewTask> = {}): Promise<string> => {
  const id = fields.id ?? newTaskId();
  await scene.mesh.producer.enqueue([newTask({ ...fields, id })]);
  return id;
};
const ref = (id: string): TaskRef => ({ id, pool: POOL });
const failure = (kind: ErrorKind): Outcome => ({ ok: false, error: taskError(kind, `simulated ${kind}`) });
const claimed = async (fields: Partial<NewTask> = {}, node = scene.one): Promise<{ id: string; claim: Claim }> => {
  const id = await queued(fields);
  return { id, claim: await claimOf(id, node) };
};
const claimOf = async (id: string, node: PoolConsumer): Promise<Claim> => {
  const claim = await node.claim();
  if (claim?.taskId !== id) throw new Error(`${claim?.taskId ?? 'nothing'} was claimed instead of ${id}`);
  return claim;
};
const ended = async (outcome: Outcome, fields: Partial<NewTask> = {}): Promise<Stage> => {
  const stage = await claimed(fields);
  await scene.one.report(stage.claim, outcome);
  return stage;
};
const lapse = async ({ id }: Stage): Promise<unknown> => scene.mesh.redis.del(`${scene.mesh.keys.task(POOL, id)}:lock`);
const cancel = async ({ id }: Stage): Promise<unknown> => scene.mesh.control.cancel(ref(id), 'by the test');
const sweep = async (): Promise<string[]> => scene.mesh.requeue({ maxHandovers: MAX_HANDOVERS });
/** The first node starts again, if it has not yet. */
const startAgain = async (): Promise<void> => {
  const { redis, keys, registry } = scene.mesh;
  if ((await redis.hget(keys.incarnations, 'mac-1')) === '1') await registry.register('mac-1', [POOL], LEASE_MS);
};
const daily = { cron: '0 7 * * *', timezone: 'UTC' };
/** A schedule, and when its first task is due, ms. */
const scheduled = async (): Promise<number> => {
  const { nextRunAt } = await scene.mesh.schedules.add('daily', daily, newTask());
  return Date.parse(nextRunAt ?? '');
};

/** How a task comes into each state, by what the queue makes a difference between. */
const SITUATIONS: Readonly<Record<QueueState, Readonly<Record<string, () => Promise<Stage>>>>> = {
  none: {
    'that was never queued': async () => ({ id: newTaskId() }),
    'that is the next one of a schedule': async () => {
      const [next] = timesAfter(daily, await scheduled(), 1);
      return { id: taskIdOf('daily', next ?? 0) };
    },
  },
  waiting: {
    'in line': async () => ({ id: await queued() }),
    'with a priority': async () => ({ id: await queued({ priority: 2 }) }),
    'whose session is busy': async () => {
      await claimed({ session: 's' });
      return { id: await queued({ session: 's' }) };
    },
    'whose circuit is open': async () => {
      await ended(failure('rate_limit'), { model: 'p/m' });
      return { id: await queued({ model: 'p/m' }) };
    },
    'that came back from its node': async () => {
      const stage = await claimed();
      await scene.one.release(stage.claim, 'drain');
      return stage;
    },
  },
  held: {
    'after one that has not ended': async () => ({ id: await queued({ after: [ref(await queued())] }) }),
    'after one that completed': async () => {
      const before = newTaskId();
      const id = await queued({ after: [ref(before)] });
      await ended(success, { id: before });
      return { id };
    },
    'after one that failed': async () => {
      const before = newTaskId();
      const id = await queued({ after: [ref(before)] });
      await ended(failure('invalid'), { id: before });
      return { id };
    },
    'for one node': async () => ({ id: await queued({ node: 'mac-1' }) }),
    'whose circuit is open': async () => ended(failure('rate_limit'), { model: 'p/m' }),
    'whose circuit was closed': async () => {
      const stage = await ended(failure('rate_limit'), { model: 'p/m' });
      await closeCircuit(scene.mesh.redis, scene.mesh.keys, 'p/m', 'by the test');
      return stage;
    },
    'whose session is free again': async () => {
      const first = await claimed({ session: 's' });
      const id = await queued({ session: 's' });
      await scene.one.claim();
      await scene.one.report(first.claim, success);
      return { id };
    },
  },
  delayed: {
    'by its delay': async () => ({ id: await queued({ delayMs: 60_000 }) }),
    'that is due': async () => {
      const id = await queued({ delayMs: 60_000 });
      await makeTimesDue(scene.mesh);
      return { id };
    },
    'until its next attempt': async () => ended(failure('crash')),
    'that is due, and was cancelled while it ran': async () => {
      const stage = await claimed();
      await cancel(stage);
      await scene.one.report(stage.claim, failure('crash'));
      await makeTimesDue(scene.mesh);
      return stage;
    },
    'that is due by its schedule': async () => ({ id: taskIdOf('daily', await scheduled()) }),
  },
  active: {
    'with attempts left': async () => claimed({ attempts: 2 }),
    'on its last attempt': async () => claimed({ attempts: 1 }),
    'whose free run is used up': async () => {
      const { id, claim } = await claimed({ attempts: 1 });
      await scene.one.reassign(claim, 'refused');
      return { id, claim: await claimOf(id, scene.two), holder: scene.two };
    },
    'that was held for its node': async () => {
      const id = await queued({ node: 'mac-1' });
      return { id, claim: await scene.one.claimHeld('node:mac-1') };
    },
    'that was cancelled': async () => {
      const stage = await claimed();
      await cancel(stage);
      return stage;
    },
    'whose claim lapsed': async () => {
      const stage = await claimed();
      await lapse(stage);
      return stage;
    },
    'whose node is dead': async () => {
      const stage = await claimed();
      await scene.mesh.registry.evict('mac-1', LEASE_MS);
      return stage;
    },
    'whose node has started again': async () => {
      const stage = await claimed();
      await startAgain();
      return stage;
    },
    'that was lost too often': async () => {
      const { id, ...first } = await claimed();
      await lapse({ id, ...first });
      await sweep();
      const claim = await claimOf(id, scene.one);
      await lapse({ id });
      return { id, claim };
    },
    'that was cancelled, and whose claim lapsed': async () => {
      const stage = await claimed();
      await cancel(stage);
      await lapse(stage);
      return stage;
    },
  },
  completed: {
    'by its run': async () => ended(success),
  },
  failed: {
    'by its run': async () => ended(failure('invalid')),
    'before it could run': async () => {
      const before = newTaskId();
      const id = await queued({ after: [ref(before)] });
      await ended(failure('invalid'), { id: before });
      await releaseHeld(scene.mesh.redis, scene.mesh.keys);
      return { id };
    },
  },
  cancelled: {
    'before it ran': async () => {
      const stage = { id: await queued() };
      await cancel(stage);
      return stage;
    },
    'while it ran': async () => ended(failure('cancelled')),
    'before those that it comes after': async () => {
      const stage = { id: await queued({ after: [ref(await queued())] }) };
      await cancel(stage);
      return stage;
    },
  },
};

/** In which state the task is by what the port has answered; undefined if that does not tell. */
type Said = QueueState | 'as before' | 'another' | undefined;

interface Call {
  /** What of the table it stands for; nothing else may happen. */
  readonly may: readonly Happening[];
  readonly act: (stage: Stage) => Promise<Said>;
  /** What an operator is offered for it. */
  readonly operation?: 'cancel' | 'retry' | 'remove';
}

const holderOf = ({ holder }: Stage) => holder ?? scene.one;
/** A node that holds nothing believes that it does. */
const claimFor = ({ id, claim }: Stage): Claim =>
  claim ?? {
    ...{ taskId: id, pool: POOL, token: 'mac-1~1:9999', spec: { message: 'hello', tags: {} } },
    ...{ attempt: 1, maxAttempts: 3, handovers: 0, holds: 0, refusedOn: null, claimedAt: 1, readyAt: 1 },
  };
/** For calls whose answers say nothing of the task. */
const untold = async (call: Promise<unknown>): Promise<undefined> => {
  await call;
};
const report = (may: readonly Happening[], outcome: () => Outcome): Call => ({
  may,
  act: async (stage) => {
    const { settled } = await holderOf(stage).report(claimFor(stage), outcome());
    return settled === 'retry' ? 'delayed' : settled;
  },
});
const claims: readonly Happening[] = ['promote by time', 'claim by node', 'hold by node', 'cancel by node'];
const claimBy = (node: () => PoolConsumer): Call => ({
  may: claims,
  act: async ({ id }) => ((await node().claim())?.taskId === id ? 'active' : undefined),
});
const enqueue = (fields: () => Partial<NewTask> | Promise<Partial<NewTask>>): Call => ({
  may: ['enqueue by command'],
  act: async ({ id }) => untold(queued({ ...(await fields()), id })),
});

/** Every call of a port that has to do with tasks. */
const CALLS: Readonly<Record<string, Call>> = {
  enqueue: enqueue(() => ({})),
  'enqueue with a delay': enqueue(() => ({ delayMs: 60_000 })),
  'enqueue for a node': enqueue(() => ({ node: 'mac-2' })),
  'enqueue after another': enqueue(async () => ({ after: [ref(await queued())] })),
  'continue a schedule': {
    may: ['enqueue by node'],
    act: async () => {
      const [schedule] = await scene.mesh.schedules.list();
      if (!schedule?.nextRunAt) return undefined;
      return untold(scene.mesh.schedules.advance(POOL, 'daily', taskIdOf('daily', Date.parse(schedule.nextRunAt))));
    },
  },
  'remove its schedule': { may: ['remove by command'], act: () => untold(scene.mesh.schedules.remove('daily')) },
  claim: claimBy(() => scene.one),
  'claim by another node': claimBy(() => scene.two),
  'claim from a paused pool': {
    may: ['promote by time'],
    act: async () => {
      await setPoolPaused(scene.mesh.redis, scene.mesh.keys, POOL, true);
      return untold(scene.one.claim());
    },
  },
  'claim what is held for the node': {
    may: ['claim by node'],
    act: async ({ id }) => {
      const why = (await scene.mesh.reader.held())
        .map((held) => held.why)
        .filter((held) => /^(node|session):/.test(held));
      const found = await Promise.all(why.map((held) => scene.one.claimHeld(held)));
      return found.some((claim) => claim?.taskId === id) ? 'active' : 'as before';
    },
  },
  'report success': report(['complete by node'], () => success),
  'report a crash': report(['retry by node', 'fail by node'], () => failure('crash')),
  'report that it is invalid': report(['fail by node'], () => failure('invalid')),
  'report a rate limit': report(['hold by node', 'retry by node', 'fail by node'], () => failure('rate_limit')),
  'report that it was cancelled': report(['cancel by node'], () => failure('cancelled')),
  release: {
    may: ['requeue by node', 'cancel by node'],
    act: async (stage) => ((await holderOf(stage).release(claimFor(stage), 'drain')) ? 'another' : 'as before'),
  },
  reassign: {
    may: ['reassign by node'],
    act: async (stage) => ((await holderOf(stage).reassign(claimFor(stage), 'refused')) ? 'waiting' : 'as before'),
  },
  renew: { may: [], act: (stage) => untold(holderOf(stage).renew([claimFor(stage)])) },
  log: { may: [], act: (stage) => untold(holderOf(stage).log(claimFor(stage), ['line'], undefined)) },
  recover: { may: [], act: () => untold(scene.one.recover()) },
  adopt: {
    may: ['cancel by node'],
    act: async ({ id }) => {
      await startAgain();
      return (await scene.nextOne.adopt('all')).some(({ taskId }) => taskId === id) ? 'active' : undefined;
    },
  },
  'requeued what is void': {
    may: ['requeue by sweep', 'fail by sweep', 'cancel by sweep'],
    act: async ({ id }) => ((await sweep()).includes(id) ? 'another' : 'as before'),
  },
  'release what is held': {
    may: ['release by sweep', 'fail by sweep'],
    act: async () => {
      const { released, failed } = await releaseHeld(scene.mesh.redis, scene.mesh.keys);
      return released + failed === 0 ? 'as before' : undefined;
    },
  },
  'remove what has expired': {
    may: ['expire by sweep'],
    act: async () => {
      const retention = { completedMs: 0, failedMs: 0, count: 1_000, usageMs: 1 };
      const removed = await removeExpired(scene.mesh.redis, scene.mesh.keys, POOL, retention);
      return removed === 0 ? 'as before' : undefined;
    },
  },
  'declare its node dead': { may: [], act: () => untold(scene.mesh.registry.evict('mac-1', LEASE_MS)) },
  'close its circuit': {
    may: [],
    act: () => untold(closeCircuit(scene.mesh.redis, scene.mesh.keys, 'p/m', 'by the test')),
  },
  acknowledge: { may: [], act: ({ id }) => untold(scene.mesh.control.acknowledge(ref(id))) },
  cancel: {
    may: ['cancel by command'],
    operation: 'cancel',
    act: async ({ id }) => {
      const reply = await scene.mesh.control.cancel(ref(id), 'by the test');
      if (typeof reply === 'object') return 'active';
      return reply === 'cancelled' ? reply : 'as before';
    },
  },
  retry: {
    may: ['retry by command'],
    operation: 'retry',
    // It says so also of one that is held for those before it.
    act: async ({ id }) => ((await scene.mesh.control.retry(ref(id))) === 'waiting' ? 'another' : 'as before'),
  },
  remove: {
    may: ['remove by command'],
    operation: 'remove',
    act: async ({ id }) => ((await scene.mesh.control.remove(ref(id))) === 'removed' ? 'none' : 'as before'),
  },
};

const stateOf = async (id: string): Promise<QueueState> => {
  const task = await scene.mesh.reader.get(id);
  if (!task) return 'none';
  return task.state === 'waiting' && task.heldBy !== null ? 'held' : task.state;
};

/** Rows of the table that a call went through alone. */
const met = new Set<TaskTransition>();

/** Makes the call on a task in this situation. @returns what was wrong with that, against the table. */
async function wrongWith(state: QueueState, situation: () => Promise<Stage>, call: Call): Promise<string | undefined> {
  await scene.mesh.redis.flushdb();
  for (const node of ['mac-1', 'mac-2']) await scene.mesh.registry.register(node, [POOL], LEASE_MS);
  const stage = await situation();
  expect(await stateOf(stage.id)).toBe(state);
  let said: Said;
  try {
    said = await call.act(stage);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    said = 'as before';
  }
  const to = await stateOf(stage.id);
  const path = pathOf(state, to, call.may);
  if (!path) return `leads to ${to}, which is no row of the table`;
  const [row] = path;
  if (row && path.length === 1) met.add(row);
  const agrees = said === 'as before' ? to === state : said === 'another' ? to !== state : to === (said ?? to);
  if (!agrees) return `leads to ${to}, and answers ${said}`;
  if (!call.operation || state === 'none') return undefined;
  const offered = allows(shownState(state), call.operation);
  return offered === (said !== 'as before')
    ? undefined
    : `is ${offered ? 'offered, and refused' : 'done, and not offered'}`;
}

describe.each(Object.entries(SITUATIONS))('a task in state %s', (state, situations) => {
  it.each(Object.keys(situations))(
    `changes in state (%s) with each call as the table says, or not at all`,
    async (name) => {
      const wrong: string[] = [];
      for (const [what, call] of Object.entries(CALLS)) {
        const found = await wrongWith(state as QueueState, situations[name] as () => Promise<Stage>, call);
        if (found !== undefined) wrong.push(`${what}: ${found}`);
      }
      expect(wrong).toEqual([]);
    },
  );
});

describe('the transition table', () => {
  it('has no row that never happens', () => {
    const shown = (row: TaskTransition) => `${row.from} to ${row.to}: ${happeningOf(row)}`;
    expect(TASK_TRANSITIONS.filter((row) => !met.has(row)).map(shown)).toEqual([]);
  });
});
