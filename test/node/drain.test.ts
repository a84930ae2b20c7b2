import { expect, it } from 'vitest';
import { Drain } from '../../src/node/drain.ts';
import { testContext } from '../support/node-context.ts';

const DAY_MS = 86_400_000;

const draining = (drainTimeout: number) => {
  const context = testContext();
  const drain = new Drain({ ...context, settings: { ...context.settings, drainTimeout } });
  return { drain, clock: context.clock, emitted: context.emitted };
};

it('releases runs exactly after a drain timeout that no Node timer could wait for', async () => {
  const { drain, clock, emitted } = draining(3_650 * DAY_MS);
  drain.set(true);
  await clock.advance(3_000 * DAY_MS);
  // Every heartbeat says it again.
  drain.set(true);
  await clock.advance(650 * DAY_MS - 1);
  expect(emitted).toEqual(['factsChanged']);
  await clock.advance(1);
  expect(emitted).toEqual(['factsChanged', 'drainExpired']);
  expect(drain.why).toBe('by hand');
});

it('forgets the drain timeout when the node is resumed', async () => {
  const { drain, clock, emitted } = draining(DAY_MS);
  drain.set(true);
  drain.set(false);
  expect([drain.why, clock.pending]).toEqual([undefined, 0]);
  expect(emitted).toEqual(['factsChanged', 'factsChanged']);
});

it('stays stopping, whatever the desired state says, once the node stops', () => {
  const { drain, clock } = draining(DAY_MS);
  drain.set(true);
  drain.stop();
  drain.set(false);
  drain.set(true);
  expect([drain.why, clock.pending]).toEqual(['stopping', 0]);
});
