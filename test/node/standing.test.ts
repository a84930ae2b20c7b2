import { expect, it } from 'vitest';
import { nodeStanding } from '../../src/node/standing.ts';

const node = { incarnation: 3, gates: [], heartbeatAgeMs: 1_200.4, leaseMs: 15_000 };
const gate = (name: string, open: boolean, reason: string | null) => ({ name, open, reason, fix: null });

it('calls a node ready whose gates are open and whose lease holds', () => {
  const gates = [gate('clock', true, null), gate('power', true, 'on battery')];
  expect(nodeStanding({ ...node, gates })).toEqual({
    ready: true,
    incarnation: 3,
    reasons: [],
    gates,
    heartbeatAgeMs: 1_200,
  });
});

it('names every closed gate, also one without a reason', () => {
  const gates = [gate('clock', false, 'skewed by 9 s'), gate('power', true, null), gate('x', false, null)];
  expect(nodeStanding({ ...node, gates })).toMatchObject({
    ready: false,
    reasons: ['clock: skewed by 9 s', 'x: closed'],
  });
});

it('calls a node ready while its last heartbeat is exactly as old as its lease, and not a moment later', () => {
  expect(nodeStanding({ ...node, heartbeatAgeMs: 15_000 }).ready).toBe(true);
  expect(nodeStanding({ ...node, heartbeatAgeMs: 15_001 })).toMatchObject({
    ready: false,
    reasons: ['Redis has accepted no heartbeat for 15s'],
  });
});

it('tells no age of a heartbeat that was never taken', () => {
  expect(nodeStanding({ ...node, heartbeatAgeMs: Number.POSITIVE_INFINITY })).toMatchObject({
    ready: false,
    reasons: ['Redis has accepted no heartbeat yet'],
    heartbeatAgeMs: null,
  });
});
