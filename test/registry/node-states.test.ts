import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/domain/node.ts';
import { isThere, type KnownNodeState, NODE_STATES, NODE_TRANSITIONS } from '../../src/domain/node-state.ts';
import { connectRedis, openRedis } from '../../src/redis/connection.ts';
import { forgetNode, forgetNodes } from '../../src/registry/forget-nodes.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { openTestMesh, type TestMesh } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const LEASE_MS = 600_000;
const NODE = 'mac-1';
type Reported = NodeRecord['state'];

let server: TestRedis;
let mesh: TestMesh;
beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'nodes');
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

const beat = (state: Reported, incarnation = 1) =>
  mesh.registry.beat({ nodeId: NODE, incarnation }, aNodeRecord({ state, incarnation, leaseMs: LEASE_MS }), {
    ...sweepHow(NODE),
    intervalMs: LEASE_MS,
  });
const start = async (state: Reported) => {
  const { incarnation } = await mesh.registry.register(NODE, ['default'], LEASE_MS);
  await beat(state, incarnation);
};
const lapse = () => mesh.redis.zadd(mesh.keys.leases, 'XX', 1, NODE);
const evict = () => mesh.registry.evict(NODE, LEASE_MS);
/** The daemon subscribes to the channel that shows its presence, and its connection breaks. */
const breakConnection = async () => {
  const incarnation = Number((await mesh.redis.hget(mesh.keys.incarnations, NODE)) ?? '0');
  const channel = mesh.registry.presenceChannel({ nodeId: NODE, incarnation });
  const client = connectRedis(mesh.target, 'subscriber', 'test');
  await openRedis(client, mesh.target);
  await client.subscribe(channel);
  const sweep = () => mesh.registry.sweep(sweepHow('sweeper', { graceMs: 1, leaseMs: LEASE_MS }));
  await sweep();
  client.disconnect();
  await expect.poll(() => mesh.redis.pubsub('NUMSUB', channel)).toEqual([channel, 0]);
  await sweep();
  await expect.poll(async () => (await sweep()).dueMs).toBe(0);
};

const SITUATIONS: Readonly<Record<KnownNodeState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: {
    'never started': async () => undefined,
    forgotten: async () => {
      await start('up');
      await evict();
      await forgetNode(mesh.redis, mesh.keys, NODE);
    },
  },
  up: { started: () => start('up') },
  gated: { started: () => start('gated') },
  paused: { started: () => start('paused') },
  draining: { started: () => start('draining') },
  dead: {
    evicted: async () => {
      await start('up');
      await evict();
    },
    'without a lease that runs, and not fenced yet': async () => {
      await start('gated');
      await lapse();
    },
  },
  stopped: {
    'by itself': async () => {
      await start('up');
      await beat('stopped');
    },
  },
};

type Call = TableCall<KnownNodeState, (typeof NODE_TRANSITIONS)[number]>;
/** A daemon that has said that it stopped beats no more. */
const beats = (state: Reported, ...may: Call['may']): Call => ({
  may: [...may, 'heartbeat by node'],
  act: async (before) => before === 'stopped' || beat(state),
});

const CALLS: Readonly<Record<string, Call>> = {
  'start, up': { may: ['start by node'], act: () => start('up') },
  'start, gated': { may: ['start by node'], act: () => start('gated') },
  'start, paused': { may: ['start by node'], act: () => start('paused') },
  'start, draining': { may: ['start by node'], act: () => start('draining') },
  'beat, up': beats('up', 'ungate by node', 'resume by command'),
  'beat, gated': beats('gated', 'gate by node', 'resume by command'),
  'beat, up, once a pause is over': {
    may: ['resume by time'],
    act: async (before) => before === 'paused' && beat('up'),
  },
  'beat, gated, once a pause is over': {
    may: ['resume by time'],
    act: async (before) => before === 'paused' && beat('gated'),
  },
  'beat, paused': beats('paused', 'pause by command'),
  'beat, draining': beats('draining', 'drain by command'),
  'beat, stopped': beats('stopped', 'stop by node'),
  'a lease that runs out': { may: ['expire by time'], act: lapse },
  'a connection that breaks': { may: ['declare-dead by sweep'], act: breakConnection },
  'a sweep': { may: [], act: () => mesh.registry.sweep(sweepHow('sweeper')) },
  evict: { may: ['evict by command'], act: evict },
  'a desired to drain': { may: [], act: () => mesh.registry.setDesiredState(NODE, 'drain') },
  'a desired to pause': { may: [], act: () => mesh.registry.pause(NODE, {}) },
  forget: { may: ['forget by command'], act: () => forgetNode(mesh.redis, mesh.keys, NODE) },
  'forget what is long away': {
    may: ['forget by sweep'],
    act: async () => {
      // The first look notes since when it is away.
      await mesh.registry.sweep(sweepHow('sweeper', { leaseMs: LEASE_MS }));
      for (let looks = 0; looks < 2; looks++) await forgetNodes(mesh.redis, mesh.keys, 0);
    },
  },
};

holdToTable({
  name: 'a node',
  table: NODE_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: () => mesh.redis.flushdb(),
  stateOf: async (): Promise<KnownNodeState> => (await mesh.registry.find(NODE))?.state ?? 'none',
});

it('counts a node as present if it is up, gated, paused or draining', () => {
  expect(NODE_STATES.filter(isThere)).toEqual(['up', 'gated', 'paused', 'draining']);
});
