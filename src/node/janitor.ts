import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { Periodic } from './periodic.ts';

/** While there is something to remove, and while not, ms. */
const INTERVAL_MS = { busy: 20_000, idle: 60_000 };
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
    let all = 0;
    for (const { queue } of loops) {
      let removed = 0;
      for (let round = 0, last = 1; round < MAX_ROUNDS && last > 0; round++) {
        last = await queue.removeExpired();
        removed += last;
      }
      all += removed;
      if (removed > 0) log.debug({ pool: queue.pool, removed }, 'expired tasks removed');
    }
    return all > 0 ? INTERVAL_MS.busy : INTERVAL_MS.idle;
  };
  return new Periodic({ intervalMs: INTERVAL_MS.idle, work, onError });
}
