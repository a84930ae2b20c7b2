import type { Timer } from '../domain/clock.ts';
import type { NodeContext } from './context.ts';
import type { RunSet } from './run-set.ts';
import { waitAtMost } from './wait-at-most.ts';

/**
 * A drain by hand, which can be resumed, and the last one before the daemon stops. In both the node takes nothing new.
 */
export class Drain {
  readonly #context: Pick<NodeContext, 'clock' | 'events' | 'log' | 'settings'>;
  #stopping = false;
  /** Set while the node is drained by hand; ends the patience with its runs. */
  #byHand: Timer | undefined;

  constructor(context: Pick<NodeContext, 'clock' | 'events' | 'log' | 'settings'>) {
    this.#context = context;
  }

  /** Why the node takes nothing new; undefined if it does. */
  get why(): 'stopping' | 'by hand' | undefined {
    if (this.#stopping) return 'stopping';
    return this.#byHand ? 'by hand' : undefined;
  }

  /** What an operator wants of the node. Runs that take longer than `drainTimeout` are released. */
  set(drained: boolean): void {
    if (drained === (this.#byHand !== undefined) || this.#stopping) return;
    const { clock, events, log, settings } = this.#context;
    const drainTimeoutMs = settings.drainTimeout;
    this.#byHand?.stop();
    this.#byHand = drained ? clock.timer(drainTimeoutMs, () => events.emit('drainExpired')) : undefined;
    log.info({ drainTimeoutMs }, drained ? 'drained by hand' : 'resumed');
    events.emit('factsChanged');
  }

  /** The node claims nothing from here on. */
  stop(): void {
    this.#stopping = true;
    this.#byHand?.stop();
  }

  /**
   * Stops claiming and waits for the runs, until `drainTimeout` is over or `hurry` resolves. What still runs then is up
   * to
   * {@link RunSet.stop}.
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
