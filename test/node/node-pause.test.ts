import { expect, it } from 'vitest';
import { NodePause } from '../../src/node/node-pause.ts';
import { testContext } from '../support/node-context.ts';

const PAUSE = {
  at: '2026-11-28T10:00:00.000Z',
  until: '2026-11-28T12:00:00.000Z',
  note: 'new disk',
  by: 'ada on mac-1',
};

it('says who paused the node, since when, until when and why', () => {
  const pause = new NodePause(testContext());
  expect(pause.why).toBeUndefined();
  pause.set(PAUSE);
  expect(pause.why).toBe('paused by ada on mac-1 at 2026-11-28T10:00:00Z, until 2026-11-28T12:00:00Z: new disk');
  pause.set({ ...PAUSE, until: null, note: null, by: null });
  expect(pause.why).toBe('paused at 2026-11-28T10:00:00Z');
});

it('has the gates checked when the pause begins, changes or ends, and not at each heartbeat', () => {
  const { emitted, logged, ...context } = testContext();
  const pause = new NodePause(context);
  pause.set(undefined);
  pause.set(PAUSE);
  pause.set({ ...PAUSE });
  expect(emitted).toEqual(['factsChanged']);
  pause.set({ ...PAUSE, note: 'another disk' });
  pause.set(undefined);
  expect(emitted).toHaveLength(3);
  expect(logged.map(({ msg, note }) => [msg, note])).toEqual([
    ['paused by an operator', 'new disk'],
    ['paused by an operator', 'another disk'],
    ['the pause is over', undefined],
  ]);
});
