import { expect, it } from 'vitest';
import { InFlight } from '../../src/node/in-flight.ts';
import { settled } from '../support/virtual-clock.ts';

/** Work of a service, and whether its end has been waited out. */
const inFlight = () => {
  const work = new InFlight();
  let isOver = false;
  const end = () => void work.end().then(() => (isOver = true));
  const over = async () => {
    await settled();
    return isOver;
  };
  return { work, end, over };
};

it('ends once all its work has ended, even if some of it failed', async () => {
  const { work, end, over } = inFlight();
  const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  void work.run(() => one.promise);
  work.run(() => two.promise).catch(() => {});
  end();
  two.reject(new Error('x'));
  expect(await over()).toBe(false);
  one.resolve();
  expect(await over()).toBe(true);
});

it('returns the work itself, so that its caller learns how it ended', async () => {
  const { work } = inFlight();
  await expect(work.run(async () => 7)).resolves.toBe(7);
  await expect(work.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
});

it('starts no work after its end', async () => {
  const { work, end } = inFlight();
  end();
  let begun = 0;
  expect(await work.run(async () => ++begun)).toBeUndefined();
  expect([begun, work.isOver]).toEqual([0, true]);
});

it('has ended if no work was ever added', async () => {
  const { end, over } = inFlight();
  end();
  expect(await over()).toBe(true);
});
