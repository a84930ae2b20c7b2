import { expect, it } from 'vitest';
import { Signal } from '../../src/node/signal.ts';
import { settled } from '../support/virtual-clock.ts';

it('wakes all current waiters, and none that begins to wait later', async () => {
  const signal = new Signal();
  const woken: string[] = [];
  for (const name of ['a', 'b']) void signal.wait().then(() => woken.push(name));
  signal.notify();
  void signal.wait().then(() => woken.push('late'));
  await settled();
  expect(woken).toEqual(['a', 'b']);
});
