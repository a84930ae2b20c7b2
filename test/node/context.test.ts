import { expect, it } from 'vitest';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { Periodic } from '../../src/node/periodic.ts';
import { testContext } from '../support/node-context.ts';
import { settled } from '../support/virtual-clock.ts';

const fenced = new ClawmeshError('fenced', 'mac-1 incarnation 1 was replaced');

it('ends the incarnation when Redis says that it is fenced', () => {
  const { onError, emitted, logged } = testContext();
  onError(fenced);
  expect(emitted).toEqual(['fenced']);
  expect(logged).toMatchObject([{ level: 'error', msg: 'fenced: stopping all runs', error: fenced.message }]);
});

it('logs once that it is fenced, although every loop notices', () => {
  const { onError, emitted, logged } = testContext();
  for (let loop = 0; loop < 3; loop++) onError(fenced);
  expect([emitted, logged.length]).toEqual([['fenced'], 1]);
});

it('logs every other error, names node and incarnation, and lets the loop continue', async () => {
  const { onError, emitted, logged, clock } = testContext();
  let rounds = 0;
  const work = async () => {
    rounds++;
    throw new Error('connection lost');
  };
  const loop = new Periodic({ name: 'loop', clock, intervalMs: 1_000, work, onError });
  loop.start();
  await clock.advance(3_500);
  await loop.stop();
  expect(rounds).toBe(3);
  expect(emitted).toEqual([]);
  const line = {
    level: 'warn',
    msg: 'request to Redis failed',
    error: 'connection lost',
    nodeId: 'mac-1',
    incarnation: 1,
  };
  expect(logged).toEqual([line, line, line].map((one) => expect.objectContaining(one)));
});

it('applies the same policy to errors of event listeners', async () => {
  const { events, emitted } = testContext();
  events.on('runsChanged', () => Promise.reject(fenced));
  events.emit('runsChanged');
  await settled();
  expect(emitted).toEqual(['runsChanged', 'fenced']);
});

it('masks the secrets of the config in what a run says', () => {
  const { masks } = testContext({ config: { redis: { url: 'redis://:hunter2-secret@127.0.0.1:6379' } } });
  expect(masks.said('password is hunter2-secret')).not.toContain('hunter2-secret');
});

it('knows Redis time as soon as the node is registered', async () => {
  const { redisClock, clock } = testContext();
  await clock.advance(250);
  expect(redisClock.now).toBe(clock.now());
});
