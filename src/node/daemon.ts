import { LiveConfig } from '../config/live.ts';
import type { LoadedConfig } from '../config/load.ts';
import { nodeConfig } from '../config/node-settings.ts';
import { runEnvironment } from '../config/run-environment.ts';
import type { Clock } from '../domain/clock.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import type { OpenClawMode } from '../domain/node.ts';
import { waitAtMost } from '../domain/wait-at-most.ts';
import type { Logger } from '../log/logger.ts';
import type { RedisTarget } from '../redis/connection.ts';
import { chooseMode, createRunner, kindOf, stopLeftInGateway } from '../runners/all.ts';
import type { Runner, RunnerOptions } from '../runners/runner.ts';
import { Alerts } from './alerts.ts';
import type { DaemonContext } from './context.ts';
import { Journal, nodeFolders } from './journal.ts';
import { type NodeBackend, openNodeBackend } from './node-backend.ts';
import { guarded, type NodeObserver } from './observer.ts';
import { goneIncarnation } from './predecessor.ts';
import { NodeRuntime } from './runtime.ts';
import { NOT_UP_YET, type NodeStanding } from './standing.ts';

/** How long a stopping daemon waits for an alert under way, ms. */
const ALERTS_MS = 2_000;
/** Wait before another try to begin an incarnation, ms. */
const RETRY_MS = 1_000;

export interface DaemonOptions {
  readonly nodeId: string;
  readonly loaded: LoadedConfig;
  /** Reads the config again. @throws ClawmeshError `config`. */
  readonly reload: () => LoadedConfig;
  readonly target: RedisTarget;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: NodeObserver;
  readonly env: NodeJS.ProcessEnv;
  /** Aborting it drains the node; {@link Daemon.hurry} ends the drain. */
  readonly signal: AbortSignal;
}

/** The worker daemon of one Mac: one incarnation after the other, until it is asked to stop. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #hurry = Promise.withResolvers<void>();
  readonly #live: LiveConfig;
  #runtime: NodeRuntime | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#live = new LiveConfig(options.loaded.config);
  }

  /**
   * Uses the config that is now in the file, unless a change in it requires a restart. An error in the new config is
   * only logged.
   */
  reload(): void {
    const { log, reload } = this.#options;
    try {
      const restartFor = this.#live.replace(reload().config);
      if (restartFor.length > 0) {
        log.error({ settings: restartFor }, 'new config not applied: these settings require a restart');
        return;
      }
      log.info({ configDigest: this.#live.digest }, 'new config applied');
      this.#runtime?.configChanged();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'new config not applied');
    }
  }

  /** Whether the node claims tasks, and if not, why. */
  standing(): NodeStanding {
    return this.#runtime?.standing() ?? NOT_UP_YET;
  }

  /** Releases the running tasks without further waiting. */
  hurry(): void {
    this.#hurry.resolve();
  }

  /**
   * Runs until the signal aborts, then drains.
   *
   * @throws ClawmeshError `redis` if Redis can't be reached or used at start; later outages are waited out.
   */
  async run(): Promise<void> {
    const { loaded, nodeId, target, log, signal, clock, env, version } = this.#options;
    const { config } = loaded;
    const mode = await chooseMode(config, env, clock);
    const { hasProvider } = kindOf(mode).capabilities;
    const backend = await openNodeBackend({ live: this.#live, target, nodeId, clock, hasProvider });
    // Resources are closed in reverse order, also after an error.
    await using opened = new AsyncDisposableStack();
    opened.defer(() => backend.close());
    const { outcomes, submissions } = nodeFolders({ mesh: config.mesh, meshId: backend.id, nodeId }, env);
    const runnerOptions = { config, nodeId, env: runEnvironment(loaded, env), submissions, clock };
    const runner = this.#createRunner(mode, runnerOptions);
    opened.defer(() => runner.close());
    const observer = guarded(this.#options.observer, (error) =>
      log.error({ nodeId, error: messageOf(error) }, 'metrics: an event was not counted'),
    );
    const journal = await Journal.open(outcomes, clock, log.child({ nodeId }));
    opened.defer(() => journal.close());
    const alerts = this.#createAlerts(backend);
    opened.defer(() => waitAtMost(clock, alerts.stop(), ALERTS_MS));
    await alerts.start();
    let left: Runner | undefined;
    opened.defer(() => left?.close());
    const stop = aborted(signal);
    const settings = nodeConfig(config, nodeId);
    const daemon = { nodeId, live: this.#live, settings, version, clock, log, backend, runner, journal, observer };
    for (;;) {
      const runtime = await this.#begin(daemon);
      if (!runtime) return;
      this.#runtime = runtime;
      left ??= stopLeftInGateway(mode, runnerOptions);
      const why = await Promise.race([stop, runtime.fenced.then(() => 'fenced' as const)]);
      if (why === 'stop') await runtime.drain(this.#hurry.promise);
      await runtime.stop(why === 'stop' ? 'release' : 'fenced');
      if (why === 'stop') return;
    }
  }

  /**
   * Begins an incarnation; undefined if the daemon is asked to stop before that. Throws if the first one can't begin, or
   * if another daemon uses the node id. It retries later ones until Redis accepts one, since operators repair a broken
   * Redis.
   */
  async #begin(daemon: DaemonContext): Promise<NodeRuntime | undefined> {
    const { nodeId, log, clock, backend } = daemon;
    const { signal } = this.#options;
    for (;;) {
      try {
        return await NodeRuntime.begin(daemon, await goneIncarnation(backend, nodeId, clock));
      } catch (error) {
        // Another daemon of this node was faster, or the node was evicted: check again which incarnation is current.
        if ((!this.#runtime && !hasCode(error, 'fenced')) || hasCode(error, 'failed')) throw error;
        log.warn({ nodeId, error: messageOf(error) }, 'the next incarnation could not start; trying again');
        await clock.sleep(RETRY_MS, signal);
        if (signal.aborted) return undefined;
      }
    }
  }

  #createRunner(mode: OpenClawMode, options: RunnerOptions): Runner {
    const { loaded, nodeId, log } = this.#options;
    const runner = createRunner(mode, options);
    if (!runner.capabilities.hasProvider && loaded.config.openclaw.mode === 'auto') {
      log.warn({ nodeId }, 'no OpenClaw gateway is ready and openclaw is not on PATH: tasks are only simulated');
    }
    return runner;
  }

  #createAlerts({ alertFeed, registry, waitedMs }: NodeBackend): Alerts {
    const { loaded, nodeId, clock, log } = this.#options;
    const { config } = loaded;
    const current = async () => ({
      nodes: await registry.seen(),
      waitedMs: await waitedMs(),
      tooLongMs: config.alerts.oldestWaiting,
    });
    return new Alerts({ config, feed: alertFeed, clock, current, log: log.child({ nodeId }) });
  }
}

function aborted(signal: AbortSignal): Promise<'stop'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('stop');
    signal.addEventListener('abort', () => resolve('stop'), { once: true });
  });
}
