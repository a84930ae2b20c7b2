import { describe, expect, it } from 'vitest';
import { troublesOf } from '../../src/node/alert-rules.ts';

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

describe('what people are told of', () => {
  it.each([
    [{ event: 'node-dead', node: 'mac-1', reason: 'crash' }, 1, ['node-dead firing mac-1']],
    [{ event: 'node-dead', node: 'mac-1' }, 3, ['node-dead firing mac-1', 'repeated-failover firing mac-1']],
    [{ event: 'node-up', node: 'mac-1' }, 0, ['node-dead resolved mac-1']],
    [{ event: 'circuit-opened', circuit: 'p/m', reason: 'HTTP 500' }, 0, ['circuit-open firing p/m']],
    [{ event: 'circuit-closed', circuit: 'p/m' }, 0, ['circuit-open resolved p/m']],
    [{ event: 'dead-letter', task: 't', pool: 'xcode', node: 'mac-1' }, 0, ['dead-letter firing xcode']],
    [{ event: 'gate-closed', node: 'mac-1', gate: 'auth' }, 0, []],
  ])('%j (%d deaths) is %j', (event, deaths, expected) => {
    const troubles = troublesOf({ ...nothing, ...event }, deaths);
    expect(troubles.map(({ kind, state, subject }) => `${kind} ${state} ${subject}`)).toEqual(expected);
    for (const { state, fix, text } of troubles) {
      expect(fix === null).toBe(state === 'resolved');
      expect(text).not.toMatch(/null|undefined/);
    }
  });
});
