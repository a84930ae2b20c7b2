import { expect, it } from 'vitest';
import type { ServiceManager } from '../../src/ops/service/manager.ts';
import { carryOut } from '../../src/ops/service/service.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

it('waits for a service to end, however long its node drains, and looks every 200 ms', async () => {
  const clock = new VirtualClock();
  const looks: number[] = [];
  const state = async () => {
    looks.push(clock.monotonic());
    return { loaded: clock.monotonic() < 500, pid: 1, lastExit: undefined };
  };
  const done = carryOut({ state } as Partial<ServiceManager> as ServiceManager, [{ do: 'wait-until-unloaded' }], clock);
  await clock.advance(600);
  await done;
  expect(looks).toEqual([0, 200, 400, 600]);
  expect(clock.pending).toBe(0);
});
