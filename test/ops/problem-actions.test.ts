import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { Circuit } from '../../src/domain/circuit.ts';
import type { Node } from '../../src/domain/node.ts';
import type { PoolCounts } from '../../src/domain/pool-counts.ts';
import { findProblems } from '../../src/ops/problems.ts';

const config = configSchema.parse({ mesh: 'm', nodes: { 'mac-1': {} } });
const none: PoolCounts = {
  waiting: 0,
  active: 0,
  delayed: 0,
  failed: 0,
  acknowledged: 0,
  completed: 0,
  cancelled: 0,
  paused: false,
  pause: null,
};
const aNode = (more: Partial<Node>) =>
  ({
    id: 'mac-1',
    state: 'up',
    host: 'mac-1.local',
    gates: [],
    orphaned: [],
    pools: {},
    running: [],
    ...more,
  }) as unknown as Node;

const actionsFor = (seen: { node?: Partial<Node>; counts?: Partial<PoolCounts>; circuit?: Partial<Circuit> }) =>
  findProblems({
    nodes: [aNode(seen.node ?? {})],
    pools: new Map(seen.counts ? [['default', { ...none, ...seen.counts }]] : []),
    circuits: seen.circuit ? [seen.circuit as Circuit] : [],
    scheduleFailures: [],
    config,
  }).flatMap(({ actions = [] }) => actions.map(({ command, subject }) => `${command} ${subject}`));

describe('the actions of a problem', () => {
  it('evict a dead node only while it still has tasks', () => {
    expect(actionsFor({ node: { state: 'dead' } })).toEqual(['node forget mac-1']);
    expect(actionsFor({ node: { state: 'dead', orphaned: ['t'] } })).toEqual(['node evict mac-1', 'node forget mac-1']);
  });

  it('forget a stopped node, and resume a drained one', () => {
    expect(actionsFor({ node: { state: 'stopped' } })).toEqual(['node forget mac-1']);
    const gates = [{ name: 'draining', open: false, reason: 'drained by an operator', fix: null }];
    expect(actionsFor({ node: { state: 'draining', gates } })).toEqual(['node resume mac-1']);
  });

  it('resume a paused pool, close a circuit, and retry or acknowledge failed tasks', () => {
    expect(actionsFor({ counts: { paused: true } })).toEqual(['pool resume default']);
    expect(actionsFor({ circuit: { name: 'p/m', openedAt: '2026-11-28T00:00:00.000Z' } })).toEqual([
      'circuit close p/m',
    ]);
    expect(actionsFor({ counts: { failed: 2 } })).toEqual(['task retry default', 'task ack default']);
    expect(actionsFor({ counts: { failed: 2, acknowledged: 2 } })).toEqual([]);
  });
});
