import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { Periodic } from './periodic.ts';

const INTERVAL_MS = 20_000;
/** With 200 tasks per pool, state and round, every node keeps up with some 250 tasks a second. */
const MAX_ROUNDS = 25;

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
      let removed = 0;
      for (let round = 0, last = 1; round < MAX_ROUNDS && last > 0; round++) {
        last = await queue.removeExpired();
        removed += last;
      }
      if (removed > 0) log.debug({ pool: queue.pool, removed }, 'expired tasks removed');
    }
  };
  return new Periodic({ intervalMs: INTERVAL_MS, work, onError });
}
