import type { PoolCounts } from '../../domain/pool-counts.ts';
import { readPause } from '../../redis/stored-pause.ts';

/**
 * The counts of a pool, from the lengths of BullMQ's lists and sets in the order of `STATE_KEYS` (task-reader.ts), the
 * number of held and of acknowledged tasks, and the fields `paused` and `cm:pause` of BullMQ's `meta`.
 */
export function poolCounts(replies: readonly unknown[]): PoolCounts {
  const [active = 0, wait = 0, prioritized = 0, delayed = 0, parents = 0] = replies.map(Number);
  const [completed = 0, cancelled = 0, ended = 0, held = 0, acknowledged = 0] = replies.slice(5).map(Number);
  const [paused, pause] = replies.at(-1) as (string | null)[];
  const failed = Math.max(0, ended - cancelled);
  return {
    waiting: wait + prioritized + held + parents,
    active,
    delayed: delayed - held,
    completed,
    failed,
    acknowledged: Math.min(failed, acknowledged),
    cancelled,
    paused: paused !== null,
    pause: (paused !== null && readPause(pause ?? '')) || null,
  };
}
