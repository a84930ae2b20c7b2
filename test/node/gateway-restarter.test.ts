import { expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { GatewayRestarter } from '../../src/node/gateway-restarter.ts';
import { testContext } from '../support/node-context.ts';

it('restarts a gateway that stays unhealthy, at most as often per hour as allowed', async () => {
  const { clock, log, logged } = testContext();
  const restarts: number[] = [];
  const restart = async () => {
    restarts.push(clock.monotonic());
    throw new Error('no such job');
  };
  const restarter = new GatewayRestarter({ afterMs: 60_000, perHour: 2, restart, log, clock });
  const checks = async (seconds: number, trouble: string | null) => {
    for (let i = 0; i < seconds; i += 10) {
      await restarter.checked(trouble);
      await clock.advance(10_000);
    }
  };
  await checks(50, 'hangs');
  await checks(10, null);
  await checks(60, 'hangs');
  expect(restarts).toEqual([]);
  await checks(600, 'hangs');
  expect(restarts).toEqual([120_000, 180_000]);
  await checks(3_600, 'hangs');
  expect(restarts).toEqual([120_000, 180_000, 3_720_000, 3_780_000]);
  expect(logged.filter(({ msg }) => msg.includes('do not repair'))).toHaveLength(1);
});

it('restarts no gateway unless the config asks for it', () => {
  const { clock, log } = testContext();
  const config = (openclaw: object) => configSchema.parse({ openclaw });
  expect(GatewayRestarter.of(config({}), clock, log)).toBeUndefined();
  const wanted = config({ gateway: { restart: { after: '2m' } } });
  expect(GatewayRestarter.of(wanted, clock, log)).toBeInstanceOf(GatewayRestarter);
});
