import { defineGate } from './gate.ts';

/** A MacBook whose battery runs out takes its tasks with it. */
export const power = defineGate({
  name: 'power',
  check: ({ battery, config: { gates } }) => {
    if (battery === undefined || battery === null || battery * 100 >= gates.minBattery) return null;
    return { reason: `on battery at ${Math.round(battery * 100)} %, ${gates.minBattery} % are required` };
  },
  fix: 'plug it in, or lower gates.minBattery',
});
