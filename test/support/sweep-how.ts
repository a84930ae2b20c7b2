import type { SweepOptions } from '../../src/registry/sweeping.ts';

/** Options for a test in which each sweep counts; times in ms. */
export function sweepHow(nodeId: string, changed: Partial<SweepOptions> = {}): SweepOptions {
  const patient = { stallMs: 60_000, idleStallMs: 60_000, leaseMs: 15_000, graceMs: 1_000, passMs: 5_000 };
  return { nodeId, pools: ['default'], intervalMs: 0, ...patient, ...changed };
}
