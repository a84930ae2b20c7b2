import { defineGate } from './gate.ts';

/** A MacBook whose battery runs out loses its runs. */
export const power = defineGate({
  name: 'power',
  check: ({ battery, config: { gates } }) => {
    if (battery === undefined || battery === null || battery * 100 >= gates.minBattery) return null;
    return { problem: `on battery at ${Math.round(battery * 100)} %, ${gates.minBattery} % is required` };
  },
  remedy: 'plug in the Mac, or lower gates.minBattery',
});
