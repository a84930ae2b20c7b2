import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { Periodic } from './periodic.ts';

/** 200 tasks per pool, state and round of every node keep up with some 10 tasks a second per node, ms. */
const INTERVAL_MS = 20_000;

/** Removes ended tasks that were kept long enough, some at a time, so that no completion has to; and mends schedules. */
export function createJanitor(options: {
  loops: readonly ClaimLoop[];
  mendSchedules: () => Promise<void>;
  log: Logger;
  onError: (error: unknown) => void;
}): Periodic {
  const { loops, mendSchedules, log, onError } = options;
  const work = async () => {
    await mendSchedules();
    for (const { queue } of loops) {
      const removed = await queue.removeExpired();
      if (removed > 0) log.debug({ pool: queue.pool, removed }, 'expired tasks removed');
    }
  };
  return new Periodic({ intervalMs: INTERVAL_MS, work, onError });
}
