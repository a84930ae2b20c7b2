import { DISPATCH_STRATEGIES } from '../../src/domain/dispatch.ts';
import type { NodeSpec, WorldSpec } from './spec.ts';

const one: NodeSpec = { id: 'mac-1', pools: ['default'], labels: { gpu: 'yes' } };
const two: NodeSpec = { id: 'mac-2', pools: ['default'] };
const nodes = [one, two];
const plain = { attempts: 2 };

/** Two nodes and two tasks, for each feature and each kind of trouble. */
export const WORLDS: readonly WorldSpec[] = [
  { name: 'plain', nodes, tasks: [plain, plain] },
  {
    name: 'session',
    nodes,
    tasks: [
      { ...plain, session: 's' },
      { ...plain, session: 's' },
    ],
  },
  { name: 'after', nodes, tasks: [plain, { ...plain, after: [1] }] },
  { name: 'node', nodes, tasks: [{ ...plain, node: 'mac-1' }, plain] },
  { name: 'node-fallback', nodes, tasks: [{ ...plain, node: 'mac-1', nodeFallback: true }, plain] },
  { name: 'require', nodes, tasks: [{ ...plain, require: { gpu: 'yes' } }, plain] },
  {
    name: 'circuit',
    nodes: [one],
    tasks: [
      { ...plain, model: 'p/m' },
      { ...plain, model: 'p/m' },
    ],
    failures: ['provider', 'rate_limit', 'invalid'],
    // What becomes of a probe.
    often: /rate_limit|provider|^(time|release|cancel|remove) /,
  },
  {
    name: 'key',
    nodes,
    tasks: [
      { ...plain, key: 'k' },
      { ...plain, key: 'k' },
    ],
  },
  {
    name: 'delivery',
    nodes,
    tasks: [
      { ...plain, deliver: { channel: 'chat', to: 'x' } },
      { ...plain, deliver: { channel: 'chat', to: 'y' }, after: [1] },
    ],
    failures: ['invalid'],
    often: /answer|sends|postpones|abandons|^(time|deliver|retry) /,
  },
  { name: 'delayed', nodes, tasks: [{ ...plain, delayMs: 60_000 }, plain] },
  { name: 'priority', nodes, tasks: [{ ...plain, priority: 1 }, plain] },
  { name: 'login', nodes, tasks: [plain, plain], failures: ['auth'], reassigns: true, often: /auth|reassigns/ },
  {
    name: 'pools',
    nodes: [one, { id: 'mac-2', pools: ['default', 'other'] }],
    tasks: [
      { ...plain, session: 's' },
      { ...plain, session: 's', pool: 'other' },
    ],
  },
  {
    name: 'schedule',
    nodes,
    tasks: [],
    schedules: { a: { everyMs: 60_000 }, b: { cron: '0 * * * *', timezone: null } },
  },
  { name: 'dispatch', nodes, tasks: [plain, plain, plain], strategies: DISPATCH_STRATEGIES },
  { name: 'eviction', nodes, tasks: [plain, { ...plain, session: 's' }], evicts: true },
  {
    name: 'clock',
    nodes,
    tasks: [plain, { ...plain, session: 's' }],
    redisFaults: ['clock'],
    often: /^(clock|lapse)|renews|requeues/,
  },
  { name: 'memory', nodes, tasks: [plain, plain], redisFaults: ['memory'], often: /^redis/ },
  { name: 'emptied', nodes, tasks: [plain, { ...plain, session: 's' }], redisFaults: ['emptied'], often: /^redis/ },
];
