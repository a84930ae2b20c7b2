import type { Incarnation } from '../domain/claim.ts';
import type { DispatchStrategy, Offer } from '../domain/dispatch.ts';
import type { Allowed, Labels } from '../domain/target.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { Circuits } from './circuits.ts';
import { HELD_SCORE } from './held-tasks.ts';

/**
 * A node that was called and has not asked after this time (ms) is passed over until it asks by itself: it froze, died or was
 * cut off. 50 times what a call takes, and still nothing that people notice.
 */
export const PATIENCE_MS = 100;

export interface AskingOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly labels: Labels;
  readonly allow?: Allowed | undefined;
  readonly keys: MeshKeys;
  readonly circuits: Circuits;
  /** Read anew at each use. */
  readonly strategy: () => DispatchStrategy;
  /** How long a called node is waited for, ms; 100 unless told. */
  readonly patienceMs?: number | undefined;
}

/** What comes with each request for a task of one pool, behind BullMQ's own keys and arguments; see `claim.prelude.lua`. */
export class Asking {
  /** What only some requests need, as one short argument; `includes/all-names.lua` makes key names of it. */
  readonly names: string;
  readonly #options: AskingOptions;

  constructor(options: AskingOptions) {
    const { pool, keys, labels, allow } = options;
    this.#options = options;
    this.names = JSON.stringify({
      base: keys.bullPrefix,
      pool,
      holdScore: String(HELD_SCORE),
      ...(Object.keys(labels).length > 0 && { labels }),
      allow,
    });
  }

  /** Without an offer the task is taken whatever the strategy says. */
  arguments(offer: Offer | undefined): (string | number)[] {
    const { owner, circuits, strategy, patienceMs = PATIENCE_MS } = this.#options;
    const chosen = offer ? strategy() : 'pull';
    const offered =
      offer && chosen !== 'pull' ? [chosen, offer.free, offer.running, offer.slots, offer.pressure, patienceMs] : [];
    return [owner.nodeId, owner.incarnation, circuits.version, offered.join(' '), this.names];
  }
}
