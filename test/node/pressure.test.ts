import { describe, expect, it } from 'vitest';
import { pressureOf } from '../../src/node/pressure.ts';
import { parseTherm } from '../../src/platform/thermal.ts';

const calm = { cpu: 0.4, freeMemory: 0.5, battery: null, speed: undefined };

describe('pressure on a machine', () => {
  it.each([
    [{}, 1],
    [{ cpu: 1.9 }, 1],
    [{ cpu: 2.5 }, 1.5],
    [{ cpu: 9 }, 2],
    [{ freeMemory: 0.05 }, 2],
    [{ freeMemory: undefined, battery: undefined }, 1],
    [{ battery: 1 }, 1.5],
    [{ speed: 1 }, 1],
    [{ speed: 0.7 }, 1.5],
    [{ cpu: 9, battery: 0.2 }, 3],
  ])('computes from %j the pressure %d', (facts, pressure) => {
    expect(pressureOf({ ...calm, ...facts })).toBe(pressure);
  });

  it('counts heat as pmset -g therm reports it', () => {
    expect(parseTherm('2026-11-25 CPU Power notify\n\tCPU_Scheduler_Limit \t= 100\n\tCPU_Speed_Limit \t= 70\n')).toBe(
      0.7,
    );
    expect(parseTherm('Note: No thermal warning level has been recorded')).toBeUndefined();
  });
});
