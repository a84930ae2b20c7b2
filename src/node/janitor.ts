import type { ScheduleFailure } from '../domain/schedule.ts';
import type { ClaimLoop } from './claim-loop.ts';
import type { NodeContext } from './context.ts';
import { Periodic } from './periodic.ts';
import type { RunSet } from './run-set.ts';

/** Delay after the start, ms; short, so that a node that restarts often still does a round. */
const FIRST_MS = 5_000;
/** Interval while there are tasks to remove, and while there are none, ms. */
const INTERVAL_MS = { busy: 20_000, idle: 60_000 };
/** Most tasks removed from a pool per round: every node keeps up with some 250 tasks a second. */
const MAX_REMOVED = 5_000;

/** See {@link janitorRound}. */
export function createJanitor(context: NodeContext, runs: Pick<RunSet, 'loops'>): Periodic {
  const { clock, onError } = context;
  return new Periodic({ name: 'janitor', clock, intervalMs: FIRST_MS, work: janitorRound(context, runs), onError });
}

/**
 * Removes ended tasks after their retention, a limited number per round, so that no completion has to do it; and
 * repairs schedules. Each job runs by itself: an error in one pool or schedule does not stop the others.
 *
 * @returns a function that runs one round and returns the time until the next, ms.
 */
export function janitorRound(
  { backend, pools, log, onError }: Pick<NodeContext, 'backend' | 'pools' | 'log' | 'onError'>,
  { loops }: { readonly loops: readonly Pick<ClaimLoop, 'queue'>[] },
): () => Promise<number> {
  let reported: readonly ScheduleFailure[] = [];

  const mend = async () => {
    const failures = await backend.mendSchedules();
    const isTold = (failure: ScheduleFailure) =>
      reported.some(({ name, reason }) => name === failure.name && reason === failure.reason);
    for (const failure of failures.filter((one) => !isTold(one))) {
      log.error({ schedule: failure.name, error: failure.reason }, 'a schedule enqueues no tasks');
    }
    reported = failures;
    return 0;
  };
  const removeExpired = async ({ queue }: Pick<ClaimLoop, 'queue'>) => {
    let removed = 0;
    for (let last = 1; removed < MAX_REMOVED && last > 0; ) {
      last = await queue.removeExpired();
      removed += last;
    }
    if (removed > 0) log.debug({ pool: queue.pool, removed }, 'expired tasks removed');
    return removed;
  };

  return async () => {
    let all = 0;
    const tidy = () => backend.tidyMesh(pools, onError);
    for (const job of [mend, ...loops.map((loop) => () => removeExpired(loop)), tidy]) {
      try {
        all += await job();
      } catch (error) {
        onError(error);
      }
    }
    return all > 0 ? INTERVAL_MS.busy : INTERVAL_MS.idle;
  };
}
