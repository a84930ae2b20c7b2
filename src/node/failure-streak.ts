import { cutText } from '../domain/cut-text.ts';
import { humanDuration } from '../domain/units.ts';
import type { NodeContext } from './context.ts';
import type { NodeEvents } from './event-bus.ts';
import { GateBackoff } from './gate-backoff.ts';
import type { Service } from './service.ts';

/** Number of different tasks that have to fail in a row before the node is suspect. */
const TASKS = 5;
/** How long the node then takes no tasks, ms; doubles with each failed try. */
const PAUSE_MS = { first: 30_000, most: 10 * 60_000 };
/** Longest part of an error that a gate shows, in characters. */
const MAX_REASON = 200;

/**
 * Detects that many different tasks in a row fail on this node for unknown reasons. Then this Mac is at fault and not
 * the tasks, and the node leaves the rest of the queue to other nodes. Any success shows that the Mac is well.
 */
export class FailureStreak implements Service {
  readonly name = 'failure-streak';
  readonly backoff: GateBackoff;
  readonly #failed = new Set<string>();

  constructor({ clock, events, runner }: Pick<NodeContext, 'clock' | 'events' | 'runner'>) {
    const onChange = () => events.emit('factsChanged');
    this.backoff = new GateBackoff({ clock, firstMs: PAUSE_MS.first, mostMs: PAUSE_MS.most, onChange });
    // A simulated run fails only because its task says so.
    if (runner.capabilities.hasProvider) events.on('runEnded', (ended) => this.#ended(ended));
  }

  start(): void {}

  async stop(): Promise<void> {
    await this.backoff.stop();
  }

  #ended({ claim: { taskId }, outcome }: NodeEvents['runEnded']): void {
    if (outcome.ok) {
      this.#failed.clear();
      this.backoff.succeeded(taskId);
      return;
    }
    // When the provider refuses a login or rejects a task, that says nothing about this Mac.
    const { kind, message } = outcome.error;
    if (kind !== 'unknown' && kind !== 'crash') return;
    this.#failed.add(taskId);
    if (this.#failed.size < TASKS && !this.backoff.isTrying) return;
    const last = cutText(message.replace(/\s+/g, ' '), MAX_REASON);
    this.backoff.close(
      (pauseMs) =>
        `several different tasks in a row failed here for unknown reasons, the last with ` +
        `${kind}: ${last}. The node tries one task every ${humanDuration(pauseMs)}`,
    );
    // Failures while one task tries must not pile up.
    for (const id of [...this.#failed].slice(0, -TASKS)) this.#failed.delete(id);
  }
}
