import { afterAll, beforeAll } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { DELIVERY_STATES, DELIVERY_TRANSITIONS, type DeliveryState } from '../../src/domain/delivery-state.ts';
import { type NewTask, taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import { expireDeliveries, Outbox, type TakenDelivery } from '../../src/queue/bullmq/outbox.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { claimNext, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const POOL = 'default';
const BOX = 'slack/work';
const DELIVER = { channel: 'slack', account: 'work', to: 'C1' };

let server: TestRedis;
let mesh: TestMesh;
let node: PoolConsumer;
let outbox: Outbox;
let taskId: string;
let claim: Claim | undefined;
let taken: TakenDelivery | undefined;

beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'deliveries');
  node = await mesh.node('mac-1');
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

const ref = () => ({ id: taskId, pool: POOL });
const enqueue = async (fields: Partial<NewTask> = {}): Promise<void> => {
  const [task] = await mesh.producer.enqueue([newTask({ deliver: DELIVER, ...fields })]);
  taskId = task?.id ?? '';
};
const claimIt = async (fields: Partial<NewTask> = {}): Promise<void> => {
  await enqueue(fields);
  claim = await claimNext(node);
};
const complete = async (): Promise<void> => {
  await claimIt();
  if (claim) await node.report(claim, success);
};
const fail = async (): Promise<void> => {
  await claimIt();
  if (claim) await node.report(claim, { ok: false, error: taskError('invalid', 'simulated') });
};
const take = async (): Promise<void> => {
  taken = (await outbox.take([BOX])).delivery ?? taken;
};
const makeDue = () => mesh.redis.zadd(mesh.keys.outbox(BOX), 'XX', 1, `${POOL} ${taskId}`);

const SITUATIONS: Readonly<Record<DeliveryState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: {
    'the task waits': enqueue,
    'the task runs': claimIt,
    'the task waits for one that has failed': async () => {
      const [first] = await mesh.producer.enqueue([newTask()]);
      const failed = await claimNext(node);
      await enqueue({ after: [{ id: first?.id ?? '', pool: POOL }] });
      await node.report(failed, { ok: false, error: taskError('invalid', 'simulated') });
    },
    'the task has no recipient': async () => {
      const [task] = await mesh.producer.enqueue([newTask()]);
      taskId = task?.id ?? '';
      await node.report(await claimNext(node), success);
    },
  },
  pending: {
    'the task has completed': complete,
    'the task has failed': fail,
    'a try has failed': async () => {
      await fail();
      await take();
      if (taken) await outbox.report(taken, { outcome: 'postponed', reason: 'away', pauseMs: 60_000 });
    },
  },
  sending: {
    'a node sends it': async () => {
      await fail();
      await take();
    },
  },
  delivered: {
    'a node has sent it': async () => {
      await fail();
      await take();
      if (taken) await outbox.report(taken, { outcome: 'delivered' });
    },
  },
  failed: {
    'the recipient was refused': async () => {
      await fail();
      await take();
      if (taken) await outbox.report(taken, { outcome: 'failed', reason: 'no such channel' });
    },
  },
};

type Call = TableCall<DeliveryState, (typeof DELIVERY_TRANSITIONS)[number]>;
const report = (end: Parameters<Outbox['report']>[1], ...may: Call['may']): Call => ({
  may,
  act: async () => {
    if (taken) await outbox.report(taken, end);
  },
});

const CALLS: Readonly<Record<string, Call>> = {
  'a node reports success': {
    may: ['end by node'],
    act: async () => {
      if (claim) await node.report(claim, success);
    },
  },
  'a node reports a failure': {
    may: ['end by node'],
    act: async () => {
      if (claim) await node.report(claim, { ok: false, error: taskError('invalid', 'simulated') });
    },
  },
  'its node dies for the last time': {
    may: ['end by sweep'],
    act: async () => {
      await mesh.registry.evict('mac-1', 15_000);
      await mesh.requeue({ maxHandovers: 0 });
    },
  },
  'held tasks are released': { may: ['end by sweep'], act: () => releaseHeld(mesh.redis, mesh.keys) },
  'an operator cancels the task': { may: ['end by command'], act: () => mesh.control.cancel(ref(), 'by the test') },
  'an operator queues the task again': { may: ['retry by command'], act: () => mesh.control.retry(ref()) },
  'an operator asks for another delivery': {
    may: ['redeliver by command'],
    act: () => mesh.control.redeliver(ref()),
  },
  'a node of the channel looks': { may: ['take by node'], act: take },
  'a node of the channel looks when the next try is due': {
    may: ['take by node'],
    act: async () => {
      await makeDue();
      await take();
    },
  },
  'a node of another channel looks': { may: [], act: () => outbox.take(['slack', 'slack/home', 'telegram']) },
  'its try succeeds': report({ outcome: 'delivered' }, 'deliver by node'),
  'its try fails': report({ outcome: 'postponed', reason: 'away', pauseMs: 1 }, 'postpone by node'),
  'its try may have succeeded': report({ outcome: 'uncertain', reason: 'gateway closed' }),
  'its try is refused': report({ outcome: 'failed', reason: 'no' }, 'fail by node'),
  'its try succeeds after another node has taken it': {
    may: ['take by node'],
    act: async () => {
      if (!taken) return;
      const earlier = taken;
      await makeDue();
      await take();
      if (earlier !== taken) await outbox.report(earlier, { outcome: 'delivered' });
    },
  },
  'answers are given up': { may: [], act: () => expireDeliveries(mesh.redis, mesh.keys, 60_000) },
  'answers that are due for too long are given up': {
    may: ['expire by sweep'],
    act: async () => {
      await makeDue();
      await expireDeliveries(mesh.redis, mesh.keys, 60_000);
    },
  },
};

holdToTable({
  name: 'the delivery of an answer',
  table: DELIVERY_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: async () => {
    await mesh.redis.flushdb();
    [claim, taken, taskId] = [undefined, undefined, ''];
    const { incarnation } = await mesh.registry.register('mac-1', [POOL], 1_800_000);
    outbox = new Outbox(mesh.redis, mesh.keys, { nodeId: 'mac-1', incarnation }, new TaskSigner([], 'm'));
  },
  stateOf: async () => {
    const stored = await mesh.redis.hget(mesh.keys.task(POOL, taskId), 'cm:delivery');
    const inBox = await mesh.redis.zscore(mesh.keys.outbox(BOX), `${POOL} ${taskId}`);
    const known = Object.keys(DELIVERY_STATES).find((state) => state === (stored ?? 'none')) as DeliveryState;
    // What is to be sent is in the outbox, and nothing else is.
    if ((inBox !== null) !== (known === 'pending' || known === 'sending')) throw new Error(`${known}, box: ${inBox}`);
    return known;
  },
});
