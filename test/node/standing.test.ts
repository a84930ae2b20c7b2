import { expect, it } from 'vitest';
import { nodeStanding } from '../../src/node/standing.ts';

const node = { incarnation: 3, gates: [], heartbeatAgeMs: 1_200.4, leaseMs: 15_000 };
const gate = (name: string, open: boolean, reason: string | null) => ({ name, open, reason, fix: null });

it('calls a node ready if its gates are open and its lease is valid', () => {
  const gates = [gate('clock', true, null), gate('power', true, 'on battery')];
  expect(nodeStanding({ ...node, gates })).toEqual({
    ready: true,
    incarnation: 3,
    reasons: [],
    gates,
    heartbeatAgeMs: 1_200,
  });
});

it('names every closed gate, even one without a reason', () => {
  const gates = [gate('clock', false, 'skewed by 9 s'), gate('power', true, null), gate('x', false, null)];
  expect(nodeStanding({ ...node, gates })).toMatchObject({
    ready: false,
    reasons: ['clock: skewed by 9 s', 'x: closed'],
  });
});

it('calls a node ready until its last heartbeat is older than its lease, to the millisecond', () => {
  expect(nodeStanding({ ...node, heartbeatAgeMs: 15_000 }).ready).toBe(true);
  expect(nodeStanding({ ...node, heartbeatAgeMs: 15_001 })).toMatchObject({
    ready: false,
    reasons: ['Redis has accepted no heartbeat for 15s'],
  });
});

it('reports no age if Redis has accepted no heartbeat yet', () => {
  expect(nodeStanding({ ...node, heartbeatAgeMs: Number.POSITIVE_INFINITY })).toMatchObject({
    ready: false,
    reasons: ['Redis has accepted no heartbeat yet'],
    heartbeatAgeMs: null,
  });
});
