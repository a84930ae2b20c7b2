import type { Incarnation } from '../domain/claim.ts';
import type { DispatchStrategy, Offer } from '../domain/dispatch.ts';
import type { Labels } from '../domain/target.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { Circuits } from './circuits.ts';
import { HELD_SCORE } from './held-tasks.ts';

export interface AskingOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly labels: Labels;
  readonly keys: MeshKeys;
  readonly circuits: Circuits;
  /** Read anew at each use. */
  readonly strategy: () => DispatchStrategy;
}

/** What comes with each request for a task of one pool; the other side of `includes/asking.lua`. */
export class Asking {
  readonly keys: readonly string[];
  readonly #options: AskingOptions;
  readonly #constant: readonly (string | number)[];

  constructor(options: AskingOptions) {
    const { pool, keys, labels } = options;
    this.#options = options;
    this.keys = [
      keys.incarnations,
      keys.circuitsVersion,
      keys.freeSlots(pool),
      keys.turns(pool),
      keys.loads,
      keys.leases,
      keys.nodes,
      keys.control,
      keys.held,
    ];
    this.#constant = [
      pool,
      JSON.stringify(labels),
      HELD_SCORE,
      keys.callPrefix(pool),
      keys.sessionPrefix,
      keys.heldTasksPrefix,
      `${keys.bullPrefix}:`,
      keys.presenceChannels,
    ];
  }

  /** Without an offer the task is taken whatever the strategy says. */
  arguments(offer: Offer | undefined): (string | number)[] {
    const { owner, circuits, strategy } = this.#options;
    const { free, running, slots, pressure } = offer ?? { free: 1, running: 0, slots: 1, pressure: 1 };
    return [
      owner.nodeId,
      owner.incarnation,
      circuits.version,
      offer ? strategy() : 'pull',
      free,
      running,
      slots,
      pressure,
      ...this.#constant,
    ];
  }
}
