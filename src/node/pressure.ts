/** What tells how hard a machine is at work; undefined where it is not known. */
export interface PressureFacts {
  /** One-minute load average per core. */
  readonly cpu: number;
  /** Share of memory that programs could still have, 0 to 1. */
  readonly freeMemory: number | undefined;
  /** Charge of the battery it runs on; null where it has another supply. */
  readonly battery: number | null | undefined;
  /** Share of its speed that heat leaves a Mac, 0 to 1. */
  readonly speed: number | undefined;
}

/** A core with more work than this waiting for it is slow for everybody. */
const BUSY_CPU = 2;
/** Below this macOS and Linux begin to push programs out of memory. */
const SCARCE_MEMORY = 0.1;

/**
 * How much harder than its running tasks tell a machine is at work: 1 for not at all. Tasks mostly wait for a model, so
 * only real trouble counts, and in steps: small differences between idle machines must not undo the order of turns.
 */
export function pressureOf({ cpu, freeMemory, battery, speed }: PressureFacts): number {
  const factors = [
    cpu > 2 * BUSY_CPU ? 2 : cpu > BUSY_CPU ? 1.5 : 1,
    freeMemory !== undefined && freeMemory < SCARCE_MEMORY ? 2 : 1,
    typeof battery === 'number' ? 1.5 : 1,
    speed !== undefined && speed < 1 ? 1.5 : 1,
  ];
  return factors.reduce((product, factor) => product * factor, 1);
}
