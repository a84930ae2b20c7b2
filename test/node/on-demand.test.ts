import { expect, it } from 'vitest';
import { OnDemand } from '../../src/node/on-demand.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

/** A loop whose rounds end when the test says so. */
const gated = (rest = 0) => {
  const clock = new VirtualClock();
  const rounds: PromiseWithResolvers<void>[] = [];
  const errors: unknown[] = [];
  const loop = new OnDemand({
    name: 'test',
    clock,
    work: () => {
      const round = Promise.withResolvers<void>();
      rounds.push(round);
      return round.promise;
    },
    onError: (error) => errors.push(error),
    rest,
  });
  return { clock, loop, rounds, errors };
};

it('makes one more round for all requests during a round, and never two at a time', async () => {
  const { loop, rounds, errors } = gated();
  loop.start();
  for (let i = 0; i < 4; i++) loop.ask();
  await settled();
  expect(rounds).toHaveLength(1);
  rounds[0]?.reject(new Error('once'));
  await settled();
  expect(rounds).toHaveLength(2);
  expect(errors).toMatchObject([{ message: 'once' }]);
  rounds[1]?.resolve();
  await settled();
  expect(rounds, 'no request since').toHaveLength(2);
  loop.ask();
  expect(rounds).toHaveLength(3);
});

it('rests after a round in proportion to its duration', async () => {
  const { clock, loop, rounds } = gated(4);
  loop.start();
  loop.ask();
  await clock.advance(100);
  rounds[0]?.resolve();
  loop.ask();
  await clock.advance(399);
  expect(rounds).toHaveLength(1);
  await clock.advance(1);
  expect(rounds).toHaveLength(2);
});

it('tells when a requested round has ended, even one after the round under way, or one that failed', async () => {
  const { loop, rounds } = gated();
  loop.start();
  const ended: string[] = [];
  void loop.round().then(() => ended.push('first'));
  await settled();
  void loop.round().then(() => ended.push('second'));
  rounds[0]?.reject(new Error('once'));
  await settled();
  expect(rounds).toHaveLength(2);
  expect(ended).toEqual([]);
  rounds[1]?.resolve();
  await settled();
  expect(ended).toEqual(['first', 'second']);
});

it('does nothing before its start', async () => {
  const { loop, rounds } = gated();
  loop.ask();
  loop.start();
  await settled();
  expect(rounds).toHaveLength(0);
});

it('stops when the round under way has ended, and begins no other', async () => {
  const { clock, loop, rounds } = gated(4);
  loop.start();
  loop.ask();
  loop.ask();
  let isStopped = false;
  const stopped = Promise.all([loop.stop(), loop.stop()]).then(() => {
    isStopped = true;
  });
  await clock.advance(100);
  expect(isStopped).toBe(false);
  rounds[0]?.resolve();
  await stopped;
  loop.ask();
  await clock.advance(10_000);
  expect(rounds).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
