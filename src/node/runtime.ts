import { leaseMs } from '../config/lease.ts';
import { messageOf } from '../domain/errors.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import { adoptionWindowMs } from './adoption.ts';
import { type DaemonContext, type NodeContext, nodeContext } from './context.ts';
import { createServices, type Services } from './services.ts';
import { type NodeStanding, nodeStanding } from './standing.ts';

/**
 * Longest wait for a stage of services to stop, ms: a run gets SIGKILL after 5 s. After that, the stop continues
 * without it.
 */
const STOP_MS = 10_000;

/**
 * One incarnation of the node, from its registration until it is stopped or fenced. A fenced one is discarded whole and
 * never resumed: after sleep or a freeze its record of its own claims is stale. The daemon then begins the next.
 */
export class NodeRuntime {
  /** Resolves when Redis has replied that this incarnation is no longer current. */
  readonly fenced: Promise<void>;
  readonly #context: NodeContext;
  readonly #services: Services;

  private constructor(context: NodeContext, windowMs: number) {
    this.#context = context;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.fenced = promise;
    context.events.on('fenced', resolve);
    this.#services = createServices(context, windowMs);
  }

  /**
   * Registers the node, if `previous` is still its incarnation, and starts all services. @throws ClawmeshError
   * `fenced`.
   */
  static async begin(daemon: DaemonContext, previous?: number): Promise<NodeRuntime> {
    const { nodeId, settings, live, backend } = daemon;
    const windowMs = adoptionWindowMs(daemon);
    const { incarnation, redisTime } = await backend.registry.register(
      nodeId,
      Object.keys(settings.pools),
      leaseMs(live.config),
      windowMs,
      previous,
    );
    const runtime = new NodeRuntime(nodeContext(daemon, incarnation, redisTime), windowMs);
    try {
      await runtime.#start();
    } catch (error) {
      await runtime.stop('fenced');
      throw error;
    }
    return runtime;
  }

  /** Whether the node claims tasks, and if not, why. */
  standing(): NodeStanding {
    const { owner, live } = this.#context;
    const { gates, heartbeat } = this.#services;
    return nodeStanding({
      incarnation: owner.incarnation,
      gates: gates.states(),
      heartbeatAgeMs: heartbeat.ageMs,
      leaseMs: leaseMs(live.config),
    });
  }

  configChanged(): void {
    this.#context.events.emit('configChanged');
  }

  /** Takes no more tasks, and waits for the runs until `drainTimeout` is over or `hurry` resolves. */
  async drain(hurry: Promise<void>): Promise<void> {
    await this.#services.drain.finish(this.#services.runs, hurry);
  }

  /** Stops all services, last started first. Redis accepts nothing more from a fenced incarnation. */
  async stop(reason: 'release' | 'fenced'): Promise<void> {
    const { clock, events, log } = this.#context;
    this.#services.drain.stop();
    if (reason === 'fenced') events.emit('fenced');
    for (const stage of this.#services.stages.toReversed()) {
      // Errors from Redis no longer matter: the next incarnation needs this one to have ended.
      const stopped = stage.map((service) =>
        service.stop().catch((error: unknown) => {
          log.debug({ service: service.name, error: messageOf(error) }, 'a service did not stop cleanly');
        }),
      );
      await waitAtMost(clock, Promise.all(stopped), STOP_MS);
    }
    log.info({ reason }, 'node is down');
  }

  async #start(): Promise<void> {
    const { log, settings, runner, live } = this.#context;
    for (const stage of this.#services.stages) for (const service of stage) await service.start();
    log.info({ pools: settings.pools, mode: runner.mode, configDigest: live.digest }, 'node is up');
  }
}
