import type { Claim } from '../domain/claim.ts';
import type { Outcome } from '../domain/task.ts';
import type { HeldFor } from '../queue/bullmq/held-tasks.ts';

/** The events by which the services of a node notify each other. */
export interface NodeEvents {
  /** Redis has replied that this incarnation is no longer current. */
  fenced: undefined;
  /** A fact that gates check may have changed. */
  factsChanged: undefined;
  /** The gates were checked after such a change. */
  gatesChanged: undefined;
  /** The config file was reloaded, or an operator has changed the mesh: check now instead of at the next interval. */
  configChanged: undefined;
  runsChanged: undefined;
  /** A run has ended on this node; emitted before its report. Excludes drills and runs of earlier incarnations. */
  runEnded: { readonly claim: Claim; readonly outcome: Outcome };
  /** Tasks are held that this node may be allowed to run. */
  heldFor: readonly HeldFor[];
  /** An answer is in this outbox. */
  answerReady: { readonly box: string };
  /** An operator's drain has waited long enough for its runs. */
  drainExpired: undefined;
}

type Listener<T> = (payload: T) => unknown;

/**
 * Calls listeners in the order in which they were added. A listener that throws or rejects does not affect the others.
 */
export class EventBus {
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Map<keyof NodeEvents, Listener<never>[]>();

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  on<Name extends keyof NodeEvents>(name: Name, listener: Listener<NodeEvents[Name]>): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  emit<Name extends keyof NodeEvents>(
    name: Name,
    ...[payload]: NodeEvents[Name] extends undefined ? [] : [payload: NodeEvents[Name]]
  ): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      this.#call(listener as Listener<unknown>, payload);
    }
  }

  #call(listener: Listener<unknown>, payload: unknown): void {
    try {
      const work = listener(payload);
      if (work instanceof Promise) work.catch(this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
