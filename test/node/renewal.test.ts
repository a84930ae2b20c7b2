import { expect, it, vi } from 'vitest';
import type { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Renewal } from '../../src/node/renewal.ts';
import { testContext } from '../support/node-context.ts';

it('renews the claims of every pool even if one pool fails', async () => {
  // No jitter.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const errors: unknown[] = [];
  const renewedAt: number[] = [];
  const context = testContext({ config: { queue: { visibilityTimeout: '20s' } } });
  const loop = (renew: () => Promise<never[]>) => ({ runs: new Set(), queue: { renew } }) as unknown as ClaimLoop;
  const mangled = loop(() => Promise.reject(new Error('pool a is mangled')));
  const well = loop(async () => {
    renewedAt.push(context.clock.monotonic());
    return [];
  });
  const renewal = new Renewal(
    { ...context, onError: (error) => errors.push(error) },
    { loops: [mangled, well], runs: [] },
  );
  renewal.start();
  await context.clock.advance(10_000);
  expect(renewedAt).toEqual([5_000, 10_000]);
  expect(errors.map(String)).toEqual(Array(2).fill('Error: pool a is mangled'));
  await renewal.stop();
  expect(context.clock.pending).toBe(0);
});
