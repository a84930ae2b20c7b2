import type { Timer } from '../domain/clock.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import type { NodeContext } from './context.ts';
import type { RunSet } from './run-set.ts';

/**
 * The drain that an operator asks for and can end, and the final one before the daemon stops. During both, the node
 * takes no tasks.
 */
export class Drain {
  readonly #context: Pick<NodeContext, 'clock' | 'events' | 'log' | 'settings'>;
  #stopping = false;
  /** Set while an operator drains the node; its expiry releases the runs. */
  #byHand: Timer | undefined;

  constructor(context: Pick<NodeContext, 'clock' | 'events' | 'log' | 'settings'>) {
    this.#context = context;
  }

  /** Why the node takes no tasks; undefined if it does. */
  get why(): 'stopping' | 'by hand' | undefined {
    if (this.#stopping) return 'stopping';
    return this.#byHand ? 'by hand' : undefined;
  }

  /** Applies the operator's desired state. The node releases runs that take longer than `drainTimeout`. */
  set(drained: boolean): void {
    if (drained === (this.#byHand !== undefined) || this.#stopping) return;
    const { clock, events, log, settings } = this.#context;
    const drainTimeoutMs = settings.drainTimeout;
    this.#byHand?.stop();
    this.#byHand = drained ? clock.timer(drainTimeoutMs, () => events.emit('drainExpired')) : undefined;
    log.info({ drainTimeoutMs }, drained ? 'drained by an operator' : 'resumed');
    events.emit('factsChanged');
  }

  /** The node claims no task from now on. */
  stop(): void {
    this.#stopping = true;
    this.#byHand?.stop();
  }

  /**
   * Stops claiming and waits for the runs, until `drainTimeout` is over or `hurry` resolves. {@link RunSet.stop}
   * handles the runs that are left.
   */
  async finish(runs: Pick<RunSet, 'count' | 'stopClaiming' | 'idle'>, hurry: Promise<void>): Promise<void> {
    const { clock, events, log, settings } = this.#context;
    this.stop();
    log.info({ running: runs.count }, 'draining');
    events.emit('factsChanged');
    const idle = runs.stopClaiming().then(() => runs.idle());
    await waitAtMost(clock, Promise.race([idle, hurry]), settings.drainTimeout);
  }
}
