import { expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { allOf, guarded, type NodeObserver } from '../../src/node/observer.ts';

const claim = { taskId: 't1' } as Claim;

/** Writes down what it is told. */
function recorder(): NodeObserver & { readonly told: unknown[] } {
  const told: unknown[] = [];
  return {
    told,
    claimed: (...args) => void told.push(['claimed', ...args]),
    ended: (...args) => void told.push(['ended', ...args]),
    handedOver: (...args) => void told.push(['handedOver', ...args]),
    beat: (...args) => void told.push(['beat', ...args]),
  };
}

function tellAll(observer: NodeObserver): void {
  observer.claimed(claim);
  observer.ended(claim, 'completed', 12, undefined);
  observer.handedOver('drain');
  observer.beat(3);
}

const ALL = [
  ['claimed', claim],
  ['ended', claim, 'completed', 12, undefined],
  ['handedOver', 'drain'],
  ['beat', 3],
];

it('calls each of several observers with everything', () => {
  const [one, two] = [recorder(), recorder()];
  tellAll(allOf([one, two]));
  expect([one.told, two.told]).toEqual([ALL, ALL]);
});

it('forwards every call through a guard', () => {
  const one = recorder();
  tellAll(guarded(one, () => expect.unreachable()));
  expect(one.told).toEqual(ALL);
});

it('reports an observer that throws instead of throwing', () => {
  const fail = () => {
    throw new Error('no counter');
  };
  const errors: unknown[] = [];
  tellAll(guarded({ claimed: fail, ended: fail, handedOver: fail, beat: fail }, (error) => errors.push(error)));
  expect(errors).toHaveLength(4);
});
