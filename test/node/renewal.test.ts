import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Renewal } from '../../src/node/renewal.ts';

describe('the renewal of claims', () => {
  it('renews those of every pool though one pool can not be worked on', async () => {
    const renewed = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<unknown>();
    const loop = (renew: () => Promise<never[]>) => ({ runs: new Set(), queue: { renew } }) as unknown as ClaimLoop;
    const renewal = new Renewal({
      loops: [
        loop(() => Promise.reject(new Error('pool a is mangled'))),
        loop(async () => {
          renewed.resolve();
          return [];
        }),
      ],
      visibilityTimeoutMs: 20,
      log: pino({ level: 'silent' }),
      onError: failed.resolve,
    });
    renewal.start();
    await renewed.promise;
    expect(await failed.promise).toMatchObject({ message: 'pool a is mangled' });
    renewal.stop();
  });
});
