import type { Claim } from '../domain/claim.ts';
import { runKey } from '../runners/runner.ts';
import type { DaemonContext, NodeContext } from './context.ts';
import type { JournalEntry } from './journal-entry.ts';
import type { RunSet } from './run-set.ts';

/** How long the previous incarnation's tasks are reserved for this one, ms. */
const ADOPTION_MS = 30_000;

/**
 * How long the tasks of the node's previous incarnation are reserved for the next one, ms; 0 if it has nothing to
 * adopt.
 */
export function adoptionWindowMs({ runner, journal }: Pick<DaemonContext, 'runner' | 'journal'>): number {
  // If no runs outlive the daemon, only undelivered outcomes are left to adopt.
  return runner.capabilities.outlivesDaemon || journal.pending().length > 0 ? ADOPTION_MS : 0;
}

/**
 * A new incarnation adopts the tasks of the previous one. It re-attaches to runs that outlive the daemon, and delivers
 * outcomes that are still on disk. No other node may touch those tasks meanwhile; afterwards the rest is open to every
 * node.
 *
 * @returns the names of the adopted runs.
 */
export async function adoptPrevious(context: NodeContext, { loops }: Pick<RunSet, 'loops'>): Promise<string[]> {
  const { owner, journal, backend, runner, log } = context;
  const undelivered = journal.pending();
  const adopted: string[] = [];
  const wanted = runner.capabilities.outlivesDaemon ? 'all' : undelivered.map(({ taskId }) => taskId);
  for (const loop of loops) {
    for (const claim of await loop.queue.adopt(wanted)) {
      const entry = take(undelivered, claim);
      const what = entry ? 'delivering the outcome of the previous incarnation' : 'run adopted';
      log.info({ taskId: claim.taskId, attempt: claim.attempt }, what);
      if (!entry) adopted.push(runKey(claim));
      loop.take(claim, entry?.outcome);
    }
  }
  for (const entry of undelivered) {
    log.error({ taskId: entry.taskId, attempt: entry.attempt }, 'outcome discarded, because the claim is lost');
    journal.discard(entry, entry.outcome);
  }
  await backend.registry.endReservation({ nodeId: owner.nodeId, incarnation: owner.incarnation - 1 });
  return adopted;
}

/** Removes the outcome of this claim from the list and returns it. */
function take(entries: JournalEntry[], claim: Claim): JournalEntry | undefined {
  const { taskId, attempt, handovers, holds } = claim;
  const index = entries.findIndex(
    (entry) =>
      entry.taskId === taskId && entry.attempt === attempt && entry.handovers === handovers && entry.holds === holds,
  );
  return index < 0 ? undefined : entries.splice(index, 1)[0];
}
