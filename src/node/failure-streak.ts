import type { Claim } from '../domain/claim.ts';
import type { Outcome } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import { GateBackoff } from './gate-backoff.ts';

/** So many different tasks in a row are no coincidence. */
const TASKS = 5;
/** How long the node takes no tasks then, ms; doubles each time that it was in vain. */
const PAUSE_MS = { first: 30_000, most: 10 * 60_000 };
/** Longest piece of an error that a gate shows, in characters. */
const MAX_REASON = 200;

/**
 * Notices that runs of many different tasks end here, one after the other, for reasons that nobody knows: then it is this
 * Mac, not the tasks, and the rest of the queue is left to others. Any success shows that it's well.
 */
export class FailureStreak {
  readonly backoff: GateBackoff;
  readonly #failed = new Set<string>();

  constructor(onChange: () => void) {
    this.backoff = new GateBackoff({ firstMs: PAUSE_MS.first, mostMs: PAUSE_MS.most, onChange });
  }

  /** A run has ended; refusals of the provider, and of the task, say nothing about this Mac. */
  ended({ taskId }: Claim, outcome: Outcome): void {
    if (outcome.ok) {
      this.#failed.clear();
      this.backoff.succeeded(taskId);
      return;
    }
    const { kind, message } = outcome.error;
    if (kind !== 'unknown' && kind !== 'crash') return;
    this.#failed.add(taskId);
    if (this.#failed.size < TASKS && !this.backoff.isTrying) return;
    const last = message.replace(/\s+/g, ' ').slice(0, MAX_REASON);
    this.backoff.close(
      (pauseMs) =>
        `different tasks in a row have failed here for reasons that clawmesh does not know, the last with: ` +
        `${kind}: ${last}. Tries one task again every ${humanDuration(pauseMs)}`,
    );
    // Those that fail while one tries are not to pile up.
    for (const id of [...this.#failed].slice(0, -TASKS)) this.#failed.delete(id);
  }
}
