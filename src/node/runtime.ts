import { leaseMs } from '../config/lease.ts';
import { messageOf } from '../domain/errors.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import { adoptionWindowMs, adoptPrevious } from './adoption.ts';
import { AuthBackoff } from './auth-backoff.ts';
import { type DaemonContext, type NodeContext, nodeContext } from './context.ts';
import { Drain } from './drain.ts';
import { FailureStreak } from './failure-streak.ts';
import { Gates } from './gates.ts';
import { GatewayRestarter } from './gateway-restarter.ts';
import { Heartbeat } from './heartbeat.ts';
import { createHeldReleaser } from './held-releaser.ts';
import { Inbox } from './inbox.ts';
import { createJanitor } from './janitor.ts';
import { LoadMeter } from './load.ts';
import { NodePause } from './node-pause.ts';
import { NodeProbe } from './node-probe.ts';
import { OpenClawWatch } from './openclaw-watch.ts';
import { Renewal } from './renewal.ts';
import { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import { SleepWatch } from './sleep-watch.ts';
import { type NodeStanding, nodeStanding } from './standing.ts';
import { Sweep } from './sweep.ts';

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
  readonly #parts: ReturnType<typeof createServices>;

  private constructor(context: NodeContext, windowMs: number) {
    this.#context = context;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.fenced = promise;
    context.events.on('fenced', resolve);
    this.#parts = createServices(context, windowMs);
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
    const { gates, heartbeat } = this.#parts;
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
    await this.#parts.drain.finish(this.#parts.runs, hurry);
  }

  /** Stops all services, last started first. Redis accepts nothing more from a fenced incarnation. */
  async stop(reason: 'release' | 'fenced'): Promise<void> {
    const { clock, events, log } = this.#context;
    this.#parts.drain.stop();
    if (reason === 'fenced') events.emit('fenced');
    for (const stage of this.#parts.stages.toReversed()) {
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
    for (const stage of this.#parts.stages) for (const service of stage) await service.start();
    log.info({ pools: settings.pools, mode: runner.mode, configDigest: live.digest }, 'node is up');
  }
}

/** All services of a node, in stages: they start from top to bottom, and stop from bottom to top. */
function createServices(context: NodeContext, windowMs: number) {
  const { clock, events, live, log, runner, backend, journal, onError } = context;
  const load = new LoadMeter();
  const drain = new Drain(context);
  const pause = new NodePause(context);
  const auth = new AuthBackoff(context);
  const failures = new FailureStreak(context);
  const restarter = runner.capabilities.outlivesDaemon ? GatewayRestarter.of(live.config, clock, log) : undefined;
  const openclaw = new OpenClawWatch(context, restarter);
  const probe = new NodeProbe(context, load);
  const gates = new Gates(context, { openclaw, auth, failures, probe, drain, pause });
  const runs = new RunSet(context, { gates, probe, auth, backoffs: [auth.backoff, failures.backoff] });
  const renewal = new Renewal(context, runs);
  const releaser = createHeldReleaser(context);
  const sweep = new Sweep(context, { runs, releaser });
  const heartbeat = new Heartbeat(context, { gates, runs, sweep, renewal, drain, pause, openclaw, load });
  const inbox = new Inbox(context, { heartbeat, runs, sweep });
  // Redis refuses the requests of a fenced incarnation, so after a sleep one immediate request is enough.
  const sleepWatch = new SleepWatch(clock, (sleptMs) => {
    log.warn(
      { sleptMs },
      'the daemon was paused (sleep, freeze or a blocked event loop); checking the incarnation in Redis',
    );
    heartbeat.beat().catch(onError);
  });
  const queues = service('queues', {
    start: () => runs.open(),
    stop: () => runs.close(),
  });
  const adoption = service('adoption', {
    start: async () => runner.stopLeftovers(windowMs > 0 ? await adoptPrevious(context, runs) : []),
  });
  let unsubscribe: readonly (() => unknown)[] = [];
  const triggers = service('triggers', {
    start: () => {
      const reconnected = () => {
        for (const work of [renewal.renewAll(), runs.recoverClaims()]) work.catch(onError);
      };
      unsubscribe = [backend.onReconnect(reconnected), journal.onTrouble(() => events.emit('factsChanged'))];
    },
    stop: () => unsubscribe.forEach((undo) => void undo()),
  });
  const stages: readonly (readonly Service[])[] = [
    // Presence comes before the first heartbeat, which makes other nodes look for it.
    [inbox],
    // The lease comes before any slow step, and lasts while the node has any claim.
    [heartbeat],
    [sleepWatch, load, probe, auth, failures],
    [queues],
    // Claims are renewed from their adoption until the last run has ended. Adoption takes longer the more claims there
    // are.
    [renewal, releaser, sweep, createJanitor(context, runs)],
    [adoption],
    // The node claims only after OpenClaw's health is known, and after no run of an earlier incarnation continues in
    // it.
    [openclaw],
    [gates],
    // Claims stop first, since all services above serve them.
    [runs],
    [triggers],
  ];
  return { stages, drain, gates, heartbeat, runs };
}

/** A service that is only a step of the start, of the stop, or of both. */
function service(name: string, steps: { readonly start: () => unknown; readonly stop?: () => unknown }): Service {
  let state: 'new' | 'started' | 'stopped' = 'new';
  return {
    name,
    start: async () => {
      if (state !== 'new') return;
      state = 'started';
      await steps.start();
    },
    stop: async () => {
      const wasStarted = state === 'started';
      state = 'stopped';
      if (wasStarted) await steps.stop?.();
    },
  };
}
