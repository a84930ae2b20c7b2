/** The facts from which pressure is computed; undefined if unknown. */
export interface PressureFacts {
  /** One-minute load average per core. */
  readonly cpu: number;
  /** Share of memory that is still available to programs, 0 to 1. */
  readonly freeMemory: number | undefined;
  /** Charge of the battery that the machine runs on; null if it has another power supply. */
  readonly battery: number | null | undefined;
  /** Share of full speed that heat leaves a Mac, 0 to 1. */
  readonly speed: number | undefined;
}

/** A higher load per core than this slows down every program. */
const BUSY_CPU = 2;
/** Below this, macOS and Linux begin to page out programs. */
const SCARCE_MEMORY = 0.1;

/**
 * Load beyond what the running tasks explain: 1 for none. Tasks mostly wait for a model, so only real trouble counts.
 * It counts in steps: small differences between idle machines must not change the order of turns.
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
