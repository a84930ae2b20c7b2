import type { Claim, Incarnation } from '../domain/claim.ts';
import type { Logger } from '../log/logger.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { type Runner, runKey } from '../runners/runner.ts';
import type { ClaimLoop } from './claim-loop.ts';
import type { Journal } from './journal.ts';
import type { JournalEntry } from './journal-entry.ts';

/** How long the former life's tasks are kept for this one to take up again, ms. */
const ADOPTION_MS = 30_000;

/** How long nobody else may take the tasks of the node's former life, ms; 0 where there is nothing to take up again. */
export function adoptionMs({ runner, journal }: { runner: Pick<Runner, 'mode'>; journal: Journal }): number {
  // Runs in a gateway outlive the daemon; in the other modes only outcomes do that are still to be delivered.
  return runner.mode === 'gateway' || journal.pending().length > 0 ? ADOPTION_MS : 0;
}

/**
 * A new life of the node takes over what its former one left: runs that go on in the gateway are followed again, outcomes
 * on disk are delivered. Nobody else may touch those tasks meanwhile; the rest is anybody's afterwards.
 *
 * @returns the names of the runs that were taken up again.
 */
export async function adoptFormerLife(options: {
  owner: Incarnation;
  loops: readonly ClaimLoop[];
  journal: Journal;
  registry: NodeRegistry;
  runner: Runner;
  log: Logger;
}): Promise<string[]> {
  const { owner, loops, journal, registry, runner, log } = options;
  const undelivered = journal.pending();
  const takenUp: string[] = [];
  const wanted = runner.mode === 'gateway' ? 'all' : undelivered.map(({ taskId }) => taskId);
  for (const loop of loops) {
    for (const claim of await loop.queue.adopt(wanted)) {
      const entry = take(undelivered, claim);
      const what = entry ? 'outcome of a former life is delivered' : 'run taken up again';
      log.info({ taskId: claim.taskId, attempt: claim.attempt }, what);
      if (!entry) takenUp.push(runKey(claim));
      loop.take(claim, entry?.outcome);
    }
  }
  for (const entry of undelivered) {
    log.error(
      { taskId: entry.taskId, attempt: entry.attempt },
      'outcome discarded: the task is somebody else’s by now',
    );
    journal.discard(entry, entry.outcome);
  }
  await registry.releaseHold({ nodeId: owner.nodeId, incarnation: owner.incarnation - 1 });
  return takenUp;
}

/** Takes the outcome of this claim out of the list. */
function take(entries: JournalEntry[], claim: Claim): JournalEntry | undefined {
  const { taskId, attempt, handovers, holds } = claim;
  const index = entries.findIndex(
    (entry) =>
      entry.taskId === taskId && entry.attempt === attempt && entry.handovers === handovers && entry.holds === holds,
  );
  return index < 0 ? undefined : entries.splice(index, 1)[0];
}
