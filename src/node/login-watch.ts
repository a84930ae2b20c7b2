import type { Claim } from '../domain/claim.ts';
import { forOthers } from '../domain/target.ts';
import type { Outcome } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';
import { GateBackoff } from './gate-backoff.ts';

/** How long a node whose login was refused takes no tasks before it tries one again, ms; doubles each time. */
const PAUSE_MS = { first: 60_000, most: 10 * 60_000 };

/** Remembers that the provider has refused this node's login, until a task has shown that somebody has logged in again. */
export class LoginWatch {
  readonly backoff: GateBackoff;
  readonly #registry: NodeRegistry;
  readonly #nodeId: string;
  readonly #simulated: boolean;

  constructor(options: {
    registry: NodeRegistry;
    nodeId: string;
    /** Runs are simulated: that one is refused says nothing about the next. */
    simulated: boolean;
    /** Whether OpenClaw has a login at all, where that can be asked; see `Runner.loginTrouble`. */
    check?: (() => Promise<string | null | undefined>) | undefined;
    onChange: () => void;
  }) {
    this.#registry = options.registry;
    this.#nodeId = options.nodeId;
    this.#simulated = options.simulated;
    const { check, onChange } = options;
    this.backoff = new GateBackoff({
      firstMs: PAUSE_MS.first,
      mostMs: PAUSE_MS.most,
      onChange,
      ...(check && { check }),
    });
  }

  /**
   * The provider has refused this node's login for a task, so it takes no more of them for a while. Returns whether another
   * node that is up may run the task; one that only this node may run would come back to it for ever.
   */
  async refused({ pool, spec }: Pick<Claim, 'pool' | 'spec'>, message: string): Promise<boolean> {
    if (!this.#simulated) this.#close(message);
    const others = (await this.#registry.list()).filter((node) => node.id !== this.#nodeId && node.state === 'up');
    if (!others.some((node) => pool in node.pools && forOthers(spec, node, true) === undefined)) return false;
    this.#close(message);
    return true;
  }

  /** A run has ended. */
  ended({ taskId }: Claim, outcome: Outcome): void {
    if (outcome.ok) this.backoff.succeeded(taskId);
  }

  #close(message: string): void {
    this.backoff.close(
      (pauseMs) =>
        `the provider refuses the login of this node (${message}); log in to OpenClaw here. ` +
        `Tries one task again every ${humanDuration(pauseMs)}`,
    );
  }
}
