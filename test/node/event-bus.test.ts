import { expect, it } from 'vitest';
import { EventBus } from '../../src/node/event-bus.ts';
import { settled } from '../support/virtual-clock.ts';

it('calls listeners in the order in which they were added, before emit returns', () => {
  const calls: string[] = [];
  const bus = new EventBus(() => {});
  bus.on('fenced', () => calls.push('first'));
  bus.on('fenced', () => calls.push('second'));
  bus.on('runsChanged', () => calls.push('other event'));
  bus.emit('fenced');
  expect(calls).toEqual(['first', 'second']);
});

it('gives each listener the payload', () => {
  const seen: unknown[] = [];
  const bus = new EventBus(() => {});
  bus.on('heldFor', (held) => seen.push(held));
  const held = [{ pool: 'default', why: 'node:mac-1', node: 'mac-1' }];
  bus.emit('heldFor', held);
  expect(seen).toEqual([held]);
});

it('reports a listener that throws or rejects, and still calls the others', async () => {
  const errors: unknown[] = [];
  const calls: string[] = [];
  const bus = new EventBus((error) => errors.push(error));
  bus.on('factsChanged', () => {
    throw new Error('thrown');
  });
  bus.on('factsChanged', () => Promise.reject(new Error('rejected')));
  bus.on('factsChanged', () => calls.push('third'));
  bus.emit('factsChanged');
  expect(calls).toEqual(['third']);
  await settled();
  expect(errors).toEqual([new Error('thrown'), new Error('rejected')]);
});

it('does not call a listener for the event during which it was added', () => {
  const calls: string[] = [];
  const bus = new EventBus(() => {});
  bus.on('gatesChanged', () => {
    bus.on('gatesChanged', () => calls.push('late'));
  });
  bus.emit('gatesChanged');
  expect(calls).toEqual([]);
  bus.emit('gatesChanged');
  expect(calls).toEqual(['late']);
});
