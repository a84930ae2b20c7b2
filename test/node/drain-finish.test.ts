import { expect, it } from 'vitest';
import { Drain } from '../../src/node/drain.ts';
import { testContext } from '../support/node-context.ts';

const never = new Promise<never>(() => {});

/** A drain under way (`drainTimeout` is 60 s), and whether it has ended. */
function draining(hurry: Promise<void> = never) {
  const context = testContext();
  const drain = new Drain(context);
  const claiming = Promise.withResolvers<void>();
  const running = Promise.withResolvers<void>();
  const calls: string[] = [];
  const runs = {
    count: 2,
    stopClaiming: () => {
      calls.push('stopClaiming');
      return claiming.promise;
    },
    idle: () => {
      calls.push('idle');
      return running.promise;
    },
  };
  const state = { ended: false };
  const finished = drain.finish(runs, hurry).then(() => {
    state.ended = true;
  });
  return { ...context, drain, claiming, running, calls, state, finished };
}

it('stops claiming at once, and says why the node takes nothing new', () => {
  const { drain, calls, emitted, logged } = draining();
  expect([drain.why, calls, emitted]).toEqual(['stopping', ['stopClaiming'], ['factsChanged']]);
  expect(logged).toMatchObject([{ msg: 'draining', running: 2 }]);
});

it('waits for claims under way, then for all runs', async () => {
  const { clock, claiming, running, calls, state, finished } = draining();
  claiming.resolve();
  await clock.advance(59_000);
  expect([calls, state.ended]).toEqual([['stopClaiming', 'idle'], false]);
  running.resolve();
  await finished;
  expect(clock.pending).toBe(0);
});

it('ends after exactly drainTimeout, although runs continue', async () => {
  const { clock, claiming, state } = draining();
  claiming.resolve();
  await clock.advance(59_999);
  expect(state.ended).toBe(false);
  await clock.advance(1);
  expect(state.ended).toBe(true);
});

it('ends after drainTimeout, although a claim under way hangs', async () => {
  const { clock, calls, state } = draining();
  await clock.advance(60_000);
  expect([calls, state.ended]).toEqual([['stopClaiming'], true]);
});

it('ends at once when it is told to hurry', async () => {
  const hurry = Promise.withResolvers<void>();
  const { clock, state, finished } = draining(hurry.promise);
  await clock.advance(1_000);
  expect(state.ended).toBe(false);
  hurry.resolve();
  await finished;
  expect([clock.monotonic(), clock.pending]).toEqual([1_000, 0]);
});

it('stays stopping if an operator resumes the node', () => {
  const { drain, emitted } = draining();
  drain.set(false);
  expect([drain.why, emitted]).toEqual(['stopping', ['factsChanged']]);
});

it('takes over a drain by hand, and ends its wait for the runs', async () => {
  const context = testContext();
  const drain = new Drain(context);
  drain.set(true);
  await context.clock.advance(30_000);
  void drain.finish({ count: 1, stopClaiming: () => never, idle: () => never }, never);
  await context.clock.advance(59_000);
  expect(drain.why).toBe('stopping');
  expect(context.emitted).not.toContain('drainExpired');
});
