import type { NodeRecord } from '../domain/node.ts';
import type { AttemptRun } from './attempt-run.ts';

/** What a heartbeat says of the runs under way. */
export function runsByPool(
  concurrencies: Readonly<Record<string, number>>,
  runs: readonly AttemptRun[],
): Pick<NodeRecord, 'pools' | 'running'> {
  const pools = Object.entries(concurrencies).map(([pool, concurrency]) => {
    const running = runs.filter((run) => run.claim.pool === pool).length;
    return [pool, { concurrency, running }] as const;
  });
  return { pools: Object.fromEntries(pools), running: runs.map((run) => run.claim.taskId) };
}
