import type { Claim } from '../domain/claim.ts';
import type { Outcome } from '../domain/task.ts';
import type { HeldFor } from '../queue/bullmq/held-tasks.ts';

/** What the services of a node tell each other. */
export interface NodeEvents {
  /** Redis has said that this incarnation is no longer the node's. */
  fenced: undefined;
  /** Something that gates look at may have changed. */
  factsChanged: undefined;
  /** The gates were checked after such a change. */
  gatesChanged: undefined;
  /**
   * The config file was reloaded, or an operator has changed the mesh: look again instead of waiting for the next time.
   */
  configChanged: undefined;
  /** A run has begun or ended. */
  runsChanged: undefined;
  /**
   * A run has ended on this node, told before it is reported. Drills are left out, and runs of earlier incarnations.
   */
  runEnded: { readonly claim: Claim; readonly outcome: Outcome };
  /** Tasks are held that this node may be allowed to run. */
  heldFor: readonly HeldFor[];
  /** A drain by hand has waited long enough for its runs. */
  drainExpired: undefined;
}

type Listener<T> = (payload: T) => unknown;

/**
 * Calls listeners in the order in which they were added. A listener that throws or rejects disturbs none of the others.
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
      void this.#call(listener as Listener<unknown>, payload);
    }
  }

  async #call(listener: Listener<unknown>, payload: unknown): Promise<void> {
    try {
      await listener(payload);
    } catch (error) {
      this.#onError(error);
    }
  }
}
