import { afterAll, beforeAll } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { formatHoldReason } from '../../src/domain/hold-reason.ts';
import { SESSION_TRANSITIONS, type SessionState } from '../../src/domain/session-state.ts';
import { type NewTask, type Outcome, type TaskRef, taskError } from '../../src/domain/task.ts';
import { closeCircuit } from '../../src/queue/bullmq/circuits.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { makeProbesDue, makeTimesDue, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const POOL = 'default';
const SESSION = 'chat';
const LEASE_MS = 1_800_000;

let server: TestRedis;
let mesh: TestMesh;
/** The sticky node of the session, if it has one, and another node. */
let node: PoolConsumer;
let other: PoolConsumer;
/** The claim on the current task, while it runs. */
let claim: Claim | undefined;
/** Which node has it. */
let owner: PoolConsumer;
let resets = 0;
beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'sessions');
  [node, other] = [await mesh.node('mac-1'), await mesh.node('mac-2')];
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

const failure = (kind: 'crash' | 'invalid' | 'rate_limit'): Outcome => ({
  ok: false,
  error: taskError(kind, `simulated ${kind}`),
});
const enqueue = async (fields: Partial<NewTask> = {}): Promise<TaskRef> => {
  const [enqueued] = await mesh.producer.enqueue([newTask({ session: SESSION, ...fields })]);
  return { id: enqueued?.id ?? '', pool: POOL };
};
const sessionKey = () => `${mesh.keys.sessionPrefix}|${SESSION}`;
/** The task that the session is, or was last, busy with. */
const current = async (): Promise<TaskRef> => {
  const [, id = ''] = /^[^:]*:(.*)$/.exec((await mesh.redis.hget(sessionKey(), 'task')) ?? '') ?? [];
  return { id, pool: POOL };
};
/** As in {@link current}, if the session is known: a command needs a task. */
const onCurrent = async (act: (task: TaskRef) => Promise<unknown>): Promise<void> => {
  const task = await current();
  if (task.id !== '') await act(task);
};
const claimBy = async (by: PoolConsumer): Promise<Claim | undefined> => {
  const found = await by.claim();
  if (found?.spec.session === SESSION) [claim, owner] = [found, by];
  return found;
};
const claimHeldBy = async (by: PoolConsumer): Promise<void> => {
  const reason = formatHoldReason({ kind: 'session', agent: undefined, session: SESSION });
  const found = await by.claimHeld(reason);
  if (found) [claim, owner] = [found, by];
};
const begin = async (): Promise<TaskRef> => {
  const task = await enqueue();
  await claimBy(node);
  return task;
};
const report = async (outcome: Outcome): Promise<void> => {
  if (claim) await owner.report(claim, outcome);
};
const complete = () => report({ ...success });
const release = () => releaseHeld(mesh.redis, mesh.keys);
/** Time passes until no task waits for its sticky node any longer. */
const releaseLate = async (): Promise<void> => {
  for (let call = 0; call < 2; call++) await releaseHeld(mesh.redis, mesh.keys, { stickyTimeoutMs: 0 });
};
/** The provider refuses a task without a session, so its circuit opens. */
const openCircuit = async (): Promise<void> => {
  await enqueue({ session: undefined, priority: 1 });
  const refused = await other.claim();
  if (refused) await other.report(refused, failure('rate_limit'));
};
/** The first task of a session was claimed, but held for its provider before its run began. */
const holdFirst = async (): Promise<TaskRef> => {
  await openCircuit();
  return begin();
};
/** The current task has never run. It was retried, and waits again for a task, which is gone by now. */
const waitForGone = async (): Promise<void> => {
  const before = await enqueue({ session: undefined });
  const task = await enqueue({ after: [before] });
  const done = await node.claim();
  if (done) await node.report(done, success);
  await openCircuit();
  await release();
  await claimBy(node);
  await mesh.control.cancel(task, 'by the test');
  await mesh.control.retry(task);
  await mesh.control.remove(before);
};

async function stateOf(): Promise<SessionState> {
  const { redis, keys } = mesh;
  const [sticky, task] = await redis.hmget(sessionKey(), 'node', 'task');
  if (task) {
    const [queued, started, ended] = await redis.hmget(
      `${keys.bullPrefix}:${task}`,
      ...(['timestamp', 'processedOn', 'finishedOn'] as const),
    );
    if (queued && !ended) return started ? 'running' : 'waiting';
  }
  return sticky ? 'free' : 'none';
}

const SITUATIONS: Readonly<Record<SessionState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: {
    'its first task is in line': () => enqueue(),
    'its first task was cancelled before a run, and another is held': async () => {
      const first = await holdFirst();
      await enqueue();
      await claimBy(other);
      await mesh.control.cancel(first, 'by the test');
      await closeCircuit(mesh.redis, mesh.keys, 'default', 'by the test');
    },
  },
  free: {
    'its task has completed, and another is in line': async () => {
      await begin();
      await complete();
      await enqueue();
    },
    'its task has failed': async () => {
      await begin();
      await report(failure('invalid'));
    },
    'its next task is held for the sticky node': async () => {
      await begin();
      await complete();
      await enqueue();
      await claimBy(other);
    },
  },
  running: {
    'its only task runs': begin,
    'another task is held': async () => {
      await begin();
      await enqueue();
      await claimBy(other);
    },
    'the claim has lapsed': async () => {
      const { id } = await begin();
      await mesh.redis.del(`${mesh.keys.task(POOL, id)}:lock`);
    },
    'the task was cancelled': async () => {
      await mesh.control.cancel(await begin(), 'by the test');
    },
    'the task was lost too often': async () => {
      const { id } = await begin();
      await mesh.redis.hset(mesh.keys.task(POOL, id), 'cm:lost', 5);
    },
  },
  waiting: {
    'its task waits for its next attempt, and another is held': async () => {
      await begin();
      await report(failure('crash'));
      await enqueue();
      await claimBy(other);
    },
    'its task is held for its provider': async () => {
      await begin();
      await report(failure('rate_limit'));
    },
    'its first task is held for its provider before a run': holdFirst,
    'its task was released to the line': async () => {
      await begin();
      await complete();
      await enqueue();
      await claimBy(other);
      await releaseLate();
    },
    'its task was requeued': async () => {
      await begin();
      await mesh.registry.evict('mac-1', LEASE_MS);
      await mesh.requeue();
    },
    'its first task was retried, and waits for a task that is gone': waitForGone,
    'its second task was retried, and waits for a task that is gone': async () => {
      await begin();
      await complete();
      await waitForGone();
    },
  },
};

type Call = TableCall<SessionState, (typeof SESSION_TRANSITIONS)[number]>;
const CALLS: Readonly<Record<string, Call>> = {
  'the sticky node claims': { may: ['claim by node'], act: () => claimBy(node) },
  'another node claims': { may: ['claim by node'], act: () => claimBy(other) },
  'the sticky node claims a held task': { may: ['claim by node'], act: () => claimHeldBy(node) },
  'another node claims a held task': { may: ['claim by node'], act: () => claimHeldBy(other) },
  'the sticky node claims once the next attempt or probe is due': {
    may: ['claim by node', 'release by sweep', 'end by sweep'],
    act: async () => {
      await makeTimesDue(mesh);
      await makeProbesDue(mesh);
      await release();
      await claimBy(node);
    },
  },
  'the run succeeds': { may: ['end by node'], act: complete },
  'the run fails for good': { may: ['end by node'], act: () => report(failure('invalid')) },
  'the run fails, and another attempt follows': {
    may: ['suspend by node'],
    act: () => report(failure('crash')),
  },
  'the provider refuses the run': { may: ['suspend by node'], act: () => report(failure('rate_limit')) },
  'its node releases the task': {
    may: ['suspend by node', 'end by node'],
    act: async () => claim && owner.release(claim, 'drain'),
  },
  'its node reassigns the task': {
    may: ['suspend by node'],
    act: async () => claim && owner.reassign(claim, 'refused'),
  },
  'its node logs': { may: [], act: async () => claim && owner.log(claim, ['line'], undefined) },
  'its node renews the claim': { may: [], act: async () => claim && owner.renew([claim]) },
  'its node dies, and a sweep requeues its tasks': {
    may: ['requeue by sweep', 'end by sweep'],
    act: async () => {
      await mesh.registry.evict('mac-1', LEASE_MS);
      await mesh.requeue();
    },
  },
  'a sweep requeues': { may: ['requeue by sweep', 'end by sweep'], act: () => mesh.requeue() },
  'held tasks are released': { may: ['release by sweep', 'end by sweep'], act: release },
  'held tasks are released after the sticky timeout': {
    may: ['release by sweep', 'end by sweep'],
    act: releaseLate,
  },
  'held tasks are released while the sticky node is dead': {
    may: ['release by sweep', 'end by sweep'],
    act: async () => {
      await mesh.registry.evict('mac-1', LEASE_MS);
      await release();
    },
  },
  'an operator enqueues another task': { may: [], act: () => enqueue() },
  'an operator cancels its task': {
    may: ['end by command'],
    act: () => onCurrent((task) => mesh.control.cancel(task, 'by the test')),
  },
  'an operator removes its task': {
    may: ['end by command'],
    act: () => onCurrent((task) => mesh.control.remove(task)),
  },
  'an operator retries its task': {
    may: ['retry by command'],
    act: () => onCurrent((task) => mesh.control.retry(task)),
  },
  'no task of it starts for 30 days': { may: ['expire by time'], act: () => mesh.redis.del(sessionKey()) },
};

holdToTable({
  name: 'a session',
  table: SESSION_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: async () => {
    await mesh.redis.flushdb();
    // No version of an earlier case comes again, so the nodes read the circuits again.
    await mesh.redis.set(mesh.keys.circuitsVersion, ++resets * 1_000);
    [claim, owner] = [undefined, node];
    for (const id of ['mac-1', 'mac-2']) await mesh.registry.register(id, [POOL], LEASE_MS);
  },
  stateOf,
});
