import type { Gate } from './gate.ts';

/** A MacBook that runs dry takes its tasks with it. */
export const power: Gate = {
  name: 'power',
  check: ({ battery, minBattery }) => {
    if (battery === undefined || battery === null || battery * 100 >= minBattery) return null;
    return {
      reason: `on battery at ${Math.round(battery * 100)} %, ${minBattery} % are wanted`,
      fix: 'plug it in, or lower gates.minBattery',
    };
  },
};
