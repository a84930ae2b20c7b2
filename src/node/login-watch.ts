import type { Claim } from '../domain/claim.ts';
import { forOthers } from '../domain/target.ts';
import { humanDuration } from '../domain/units.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** How long a node whose login was refused leaves tasks to others before it tries again, ms; doubles each time. */
const PAUSE_MS = { first: 60_000, most: 10 * 60_000 };

/** Remembers that the provider has refused this node's login, for a while: somebody may have logged in again. */
export class LoginWatch {
  readonly #registry: NodeRegistry;
  readonly #nodeId: string;
  readonly #onChange: () => void;
  #pauseMs = PAUSE_MS.first;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #trouble: string | undefined;

  constructor(options: { registry: NodeRegistry; nodeId: string; onChange: () => void }) {
    this.#registry = options.registry;
    this.#nodeId = options.nodeId;
    this.#onChange = options.onChange;
  }

  /** Why tasks are left to other nodes, for people; undefined while they are not. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /**
   * The provider has refused this node's login for a task. Returns whether another node that is up may run the task; then
   * this one leaves tasks to others for a while. A task that only this node may run would come back to it for ever.
   */
  async refused({ pool, spec }: Pick<Claim, 'pool' | 'spec'>, message: string): Promise<boolean> {
    const others = (await this.#registry.list()).filter((node) => node.id !== this.#nodeId && node.state === 'up');
    if (!others.some((node) => pool in node.pools && forOthers(spec, node, true) === undefined)) return false;
    this.#pause(message);
    return true;
  }

  #pause(message: string): void {
    clearTimeout(this.#timer);
    if (performance.now() - this.#refusedAt > PAUSE_MS.most * 2) this.#pauseMs = PAUSE_MS.first;
    this.#refusedAt = performance.now();
    this.#trouble =
      `the provider refuses the login of this node (${message}); log in to OpenClaw here. ` +
      `Tries again every ${humanDuration(this.#pauseMs)}`;
    this.#timer = setTimeout(() => {
      this.#trouble = undefined;
      this.#onChange();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS.most);
    this.#onChange();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
