import { expect, it } from 'vitest';
import type { Node } from '../../src/domain/node.ts';
import { conditionsOf, currentConditions } from '../../src/node/alert-conditions.ts';

const nothing = {
  id: '1-0',
  at: '',
  node: null,
  gate: null,
  task: null,
  pool: null,
  circuit: null,
  reason: null,
  silentMs: null,
};

it.each([
  [{ event: 'node-dead', node: 'mac-1', reason: 'crash' }, 1, ['node-dead firing mac-1']],
  [{ event: 'node-dead', node: 'mac-1' }, 3, ['node-dead firing mac-1', 'repeated-failover firing mac-1']],
  [{ event: 'node-up', node: 'mac-1' }, 0, ['node-dead resolved mac-1']],
  [{ event: 'node-forgotten', node: 'mac-1' }, 0, ['node-dead resolved mac-1']],
  [{ event: 'circuit-opened', circuit: 'p/m', reason: 'HTTP 500' }, 0, ['circuit-open firing p/m']],
  [{ event: 'circuit-closed', circuit: 'p/m' }, 0, ['circuit-open resolved p/m']],
  [{ event: 'dead-letter', task: 't', pool: 'xcode', node: 'mac-1' }, 0, ['dead-letter firing xcode']],
  [{ event: 'repeated-failover', task: 't', node: 'mac-1', reason: 'crash' }, 0, ['repeated-failover firing t']],
  [{ event: 'gate-closed', node: 'mac-1', gate: 'auth' }, 0, []],
])('derives from the event %j after %d deaths the conditions %j', (event, deaths, expected) => {
  const conditions = conditionsOf({ ...nothing, ...event }, deaths);
  expect(conditions.map(({ kind, state, subject }) => `${kind} ${state} ${subject}`)).toEqual(expected);
  for (const { state, fix, text } of conditions) {
    expect(fix === null).toBe(state === 'resolved');
    expect(text).not.toMatch(/null|undefined/);
  }
});

const node = (id: string, state: string) => ({ id, state }) as Node;

it.each([
  ['a pool that keeps up', [node('a', 'up')], 5_000, ['queue-latency resolved', 'no-nodes resolved']],
  ['a pool that does not', [node('a', 'up')], 61_000, ['queue-latency firing', 'no-nodes resolved']],
  [
    'no node that takes tasks',
    [node('a', 'gated'), node('b', 'dead')],
    0,
    ['queue-latency resolved', 'no-nodes firing'],
  ],
  ['no node at all', [node('a', 'stopped')], 0, ['queue-latency resolved', 'no-nodes firing']],
])('derives the current conditions: %s', (_, nodes, waited, expected) => {
  const conditions = currentConditions({ nodes, waitedMs: new Map([['default', waited]]), tooLongMs: 60_000 });
  expect(conditions.map(({ kind, state }) => `${kind} ${state}`)).toEqual(expected);
});

it('never fires for a long wait if no limit is set', () => {
  const [queue] = currentConditions({ nodes: [], waitedMs: new Map([['p', 1e9]]), tooLongMs: 0 });
  expect(queue?.state).toBe('resolved');
});
