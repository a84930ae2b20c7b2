import { afterAll, beforeAll } from 'vitest';
import { type Claim, tokenOwner } from '../../src/domain/claim.ts';
import { CLAIM_TRANSITIONS, type ClaimState } from '../../src/domain/claim-state.ts';
import { taskError } from '../../src/domain/task.ts';
import { releaseHeld } from '../../src/queue/bullmq/held-tasks.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const POOL = 'default';
const LEASE_MS = 600_000;
const WINDOW_MS = 600_000;
const NODE = 'mac-1';
const ID = 't1';

let server: TestRedis;
let mesh: TestMesh;
/** Two incarnations of one node, and another node. */
let first: PoolConsumer;
let next: PoolConsumer;
let other: PoolConsumer;
/** The claim of the first incarnation, or what it would be. */
let claim: Claim;
beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'claims');
  [first, next, other] = [await mesh.node(NODE), await mesh.node(NODE), await mesh.node('mac-2')];
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

const lockKey = () => `${mesh.keys.task(POOL, ID)}:lock`;
const startAgain = (windowMs = 0) => mesh.registry.register(NODE, [POOL], LEASE_MS, windowMs, 1);
const lapse = () => mesh.redis.del(lockKey());
const claimIt = async (): Promise<void> => {
  await mesh.producer.enqueue([newTask({ id: ID })]);
  claim = (await first.claim()) ?? claim;
};
/** Claims of an incarnation that never had the task. */
const imagined: Claim = {
  ...{ taskId: ID, pool: POOL, token: `${NODE}~1:9999`, spec: { message: 'hello', tags: {} } },
  ...{ attempt: 1, maxAttempts: 3, handovers: 0, holds: 0, refusedOn: null, claimedAt: 1, readyAt: 1 },
};

async function stateOf(): Promise<ClaimState> {
  const { redis, keys, registry } = mesh;
  if ((await redis.lpos(keys.pool(POOL, 'active'), ID)) === null) return 'none';
  const owner = tokenOwner((await redis.get(lockKey())) ?? '');
  if (!owner) return 'lapsed';
  if ((await redis.hget(keys.incarnations, owner.nodeId)) === `${owner.incarnation}`) return 'current';
  const name = `${owner.nodeId}~${owner.incarnation}`;
  const isReserved = (await redis.hexists(keys.deaths, name)) === 1 && !(await registry.pendingDeaths()).includes(name);
  return isReserved ? 'reserved' : 'orphaned';
}

const SITUATIONS: Readonly<Record<ClaimState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: {
    'it waits': () => mesh.producer.enqueue([newTask({ id: ID })]),
    'it was never queued': async () => undefined,
    'it has completed': async () => {
      await claimIt();
      await first.report(claim, success);
    },
  },
  current: {
    'it runs': claimIt,
    'it runs for the next incarnation': async () => {
      await claimIt();
      await startAgain(WINDOW_MS);
      claim = (await next.adopt('all'))[0] ?? claim;
    },
  },
  lapsed: {
    'its node is there': async () => {
      await claimIt();
      await lapse();
    },
    'its node is dead': async () => {
      await claimIt();
      await mesh.registry.evict(NODE, LEASE_MS);
      await lapse();
    },
  },
  reserved: {
    'the next incarnation has begun': async () => {
      await claimIt();
      await startAgain(WINDOW_MS);
    },
  },
  orphaned: {
    'its node was evicted': async () => {
      await claimIt();
      await mesh.registry.evict(NODE, LEASE_MS);
    },
    'its node has started again': async () => {
      await claimIt();
      await startAgain();
    },
  },
};

type Call = TableCall<ClaimState, (typeof CLAIM_TRANSITIONS)[number]>;
const end = (act: (node: PoolConsumer) => Promise<unknown>): Call => ({
  may: ['end by node'],
  act: () => act(tokenOwner(claim.token)?.incarnation === 2 ? next : first),
});

const CALLS: Readonly<Record<string, Call>> = {
  'its node claims': { may: ['claim by node'], act: () => first.claim() },
  'another node claims': { may: ['claim by node'], act: () => other.claim() },
  'its run succeeds': end((node) => node.report(claim, { ...success })),
  'its run fails': end((node) => node.report(claim, { ok: false, error: taskError('crash', 'simulated') })),
  'its node releases it': end((node) => node.release(claim, 'drain')),
  'its node reassigns it': end((node) => node.reassign(claim, 'refused')),
  'its node renews it': {
    may: ['renew by node'],
    act: () => (tokenOwner(claim.token)?.incarnation === 2 ? next : first).renew([claim]),
  },
  'an earlier claim of its node reports': { may: [], act: () => first.report(imagined, { ...success }) },
  'its node logs': { may: ['renew by node'], act: () => first.log(claim, ['line'], undefined) },
  'its node reconnects': { may: [], act: () => first.recover() },
  'its visibility timeout passes': { may: ['lapse by time'], act: lapse },
  'its node is evicted': { may: ['fence by command'], act: () => mesh.registry.evict(NODE, LEASE_MS) },
  'the lease of its node has run out at a sweep': {
    may: ['fence by sweep'],
    act: async () => {
      await mesh.redis.zadd(mesh.keys.leases, 'XX', 1, NODE);
      // The first sweep of a mesh gives each node one more lease, here 1 ms.
      for (let sweeps = 0; sweeps < 10; sweeps++) await mesh.registry.sweep(sweepHow('mac-2', { leaseMs: 1 }));
    },
  },
  'its daemon starts again': { may: ['replace by node'], act: () => startAgain() },
  'its daemon starts again, and may adopt': { may: ['reserve by node'], act: () => startAgain(WINDOW_MS) },
  'the next incarnation adopts': {
    may: ['reserve by node', 'adopt by node'],
    act: async () => {
      if ((await mesh.redis.hget(mesh.keys.incarnations, NODE)) === '1') await startAgain(WINDOW_MS);
      await next.adopt('all');
    },
  },
  'the next incarnation has adopted all it wanted': {
    may: ['end-reservation by node'],
    act: () => mesh.registry.endReservation({ nodeId: NODE, incarnation: 1 }),
  },
  'the time to adopt is over': {
    may: ['end-reservation by time'],
    act: async () => {
      for (const [name, text] of Object.entries(await mesh.redis.hgetall(mesh.keys.deaths))) {
        const death = JSON.parse(text);
        if (!death.reservedUntil) continue;
        const over = { ...death, reservedFrom: 1, reservedUntil: 2 };
        await mesh.redis.hset(mesh.keys.deaths, name, JSON.stringify(over));
      }
    },
  },
  'a sweep requeues': { may: ['requeue by sweep'], act: () => mesh.requeue() },
  'held tasks are released': { may: [], act: () => releaseHeld(mesh.redis, mesh.keys) },
  'an operator cancels': { may: [], act: () => mesh.control.cancel({ id: ID, pool: POOL }, 'by the test') },
  'an operator removes': { may: [], act: () => mesh.control.remove({ id: ID, pool: POOL }) },
  'an operator retries': { may: [], act: () => mesh.control.retry({ id: ID, pool: POOL }) },
};

holdToTable({
  name: 'the claim on a task',
  table: CLAIM_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: async () => {
    await mesh.redis.flushdb();
    claim = imagined;
    for (const node of [NODE, 'mac-2']) await mesh.registry.register(node, [POOL], LEASE_MS);
  },
  stateOf,
});
