import type { Claim } from '../domain/claim.ts';
import { forOthers } from '../domain/target.ts';
import { humanDuration } from '../domain/units.ts';
import type { NodeContext } from './context.ts';
import { GateBackoff } from './gate-backoff.ts';
import type { Service } from './service.ts';

/** How long a node whose login was refused takes no tasks before it tries one, ms; doubles each time. */
const PAUSE_MS = { first: 60_000, most: 10 * 60_000 };

/** Remembers that the provider refused this node's login, until a task shows that the login works again. */
export class AuthBackoff implements Service {
  readonly name = 'auth-backoff';
  readonly backoff: GateBackoff;
  readonly #context: NodeContext;

  constructor(context: NodeContext) {
    this.#context = context;
    const { runner, clock, events } = context;
    this.backoff = new GateBackoff({
      clock,
      firstMs: PAUSE_MS.first,
      mostMs: PAUSE_MS.most,
      onChange: () => events.emit('factsChanged'),
      check: runner.loginTrouble?.bind(runner),
    });
    events.on('runEnded', ({ claim, outcome }) => {
      if (outcome.ok) this.backoff.succeeded(claim.taskId);
    });
  }

  start(): void {}

  async stop(): Promise<void> {
    await this.backoff.stop();
  }

  /**
   * The provider has refused this node's login for a task, so the node takes no more tasks for a while.
   *
   * @returns whether another node that is up may run the task; a task that only this node may run would return to it
   * forever.
   */
  async refused({ pool, spec }: Pick<Claim, 'pool' | 'spec'>, message: string): Promise<boolean> {
    const { nodeId, backend, runner } = this.#context;
    // A refused login that was simulated says nothing about the next task.
    if (runner.capabilities.hasProvider) this.#close(message);
    const others = (await backend.registry.list()).filter((node) => node.id !== nodeId && node.state === 'up');
    if (!others.some((node) => pool in node.pools && forOthers(spec, node, true) === undefined)) return false;
    this.#close(message);
    return true;
  }

  #close(message: string): void {
    this.backoff.close(
      (pauseMs) =>
        `the provider refuses the login of this node (${message}). ` +
        `The node tries one task every ${humanDuration(pauseMs)}`,
    );
  }
}
