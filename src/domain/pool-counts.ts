import type { Pause } from './pause.ts';

/** Number of tasks of a pool in each state. */
export interface PoolCounts {
  /** Tasks that wait to be claimed. */
  readonly waiting: number;
  /** Running tasks. */
  readonly active: number;
  /** Tasks that wait for a time. */
  readonly delayed: number;
  /** Tasks that failed for good. */
  readonly failed: number;
  /** Failed tasks that an operator has acknowledged. */
  readonly acknowledged: number;
  /** Completed tasks. */
  readonly completed: number;
  /** Cancelled tasks. */
  readonly cancelled: number;
  /** Whether the pool is paused. */
  readonly paused: boolean;
  /** Who paused the pool, when and why; null if it is not paused, or was paused by another program. */
  readonly pause: Pause | null;
}
