import type { ScheduleFailure } from '../domain/schedule.ts';
import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { Periodic } from './periodic.ts';

/** After the start, so that a node that is restarted often gets to it, ms. */
const FIRST_MS = 5_000;
/** While there is something to remove, and while not, ms. */
const INTERVAL_MS = { busy: 20_000, idle: 60_000 };
/** Removed from a pool per round, tasks: every node keeps up with some 250 a second. */
const MAX_REMOVED = 5_000;

export interface JanitorOptions {
  readonly loops: readonly Pick<ClaimLoop, 'queue'>[];
  readonly mendSchedules: () => Promise<readonly ScheduleFailure[]>;
  /** Keeps in bounds what is nobody's own; answers how many tasks were removed. */
  readonly tidyMesh: (ownPools: readonly string[], onError: (error: unknown) => void) => Promise<number>;
  readonly log: Logger;
  readonly onError: (error: unknown) => void;
}

/** See {@link janitorRound}. */
export function createJanitor(options: JanitorOptions): Periodic {
  return new Periodic({ intervalMs: FIRST_MS, work: janitorRound(options), onError: options.onError });
}

/**
 * Removes ended tasks that were kept long enough, some at a time, so that no completion has to; and mends schedules. Each
 * of these for itself: one pool or schedule that can't be worked on holds up none of the others.
 *
 * @returns one round of it, which answers when the next one is due, ms.
 */
export function janitorRound(options: JanitorOptions): () => Promise<number> {
  const { loops, mendSchedules, tidyMesh, log, onError } = options;
  let told: readonly ScheduleFailure[] = [];

  const mend = async () => {
    const failures = await mendSchedules();
    const isTold = (failure: ScheduleFailure) =>
      told.some(({ name, reason }) => name === failure.name && reason === failure.reason);
    for (const failure of failures.filter((one) => !isTold(one))) {
      log.error({ schedule: failure.name, error: failure.reason }, 'a schedule queues nothing');
    }
    told = failures;
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
    const pools = loops.map(({ queue }) => queue.pool);
    const tidy = () => tidyMesh(pools, onError);
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
