import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveConfig } from '../config/live.ts';
import type { LoadedConfig } from '../config/load.ts';
import { nodeConfig } from '../config/node-settings.ts';
import { runEnvironment } from '../config/run-environment.ts';
import { hasCode, messageOf } from '../domain/errors.ts';
import type { OpenClawMode } from '../domain/node.ts';
import type { Logger } from '../log/logger.ts';
import { systemClock } from '../platform/clock.ts';
import type { RedisTarget } from '../redis/connection.ts';
import { chooseMode, createRunner, stopLeftInGateway } from '../runners/all.ts';
import type { Runner, RunnerOptions } from '../runners/runner.ts';
import { Alerter } from './alerter.ts';
import { Journal, journalFolder } from './journal.ts';
import { openMeshLink } from './mesh-link.ts';
import { NodeLife } from './node-life.ts';
import type { NodeLifeOptions } from './node-life-options.ts';
import { NOT_UP_YET, type NodeStanding } from './node-standing.ts';
import { guarded, type NodeObserver } from './observer.ts';
import { goneIncarnation } from './predecessor.ts';
import { withinTime } from './within-time.ts';

/** A stopping daemon waits so long for an alert on its way, ms. */
const ALERTS_MS = 2_000;
/** Wait before a life that could not begin is begun anew, ms. */
const NEXT_LIFE_MS = 1_000;

export interface DaemonOptions {
  readonly nodeId: string;
  readonly loaded: LoadedConfig;
  /** Reads the config anew. @throws ClawmeshError `config`. */
  readonly reload: () => LoadedConfig;
  readonly target: RedisTarget;
  readonly version: string;
  readonly log: Logger;
  readonly observer: NodeObserver;
  readonly env: NodeJS.ProcessEnv;
  /** Aborting it drains the node; a second stop is asked for with {@link Daemon.hurry}. */
  readonly signal: AbortSignal;
}

/** The worker daemon of one Mac: one incarnation after the other until it's told to stop. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #hurry = Promise.withResolvers<void>();
  readonly #live: LiveConfig;
  #life: NodeLife | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#live = new LiveConfig(options.loaded.config);
  }

  /** Takes over the config that is in the file now, if nothing in it takes a restart; what is wrong with it is only logged. */
  reload(): void {
    const { log, reload } = this.#options;
    try {
      const restartFor = this.#live.replace(reload().config);
      if (restartFor.length > 0) {
        log.error({ settings: restartFor }, 'the new config is not used: these settings take a restart');
        return;
      }
      log.info({ configDigest: this.#live.digest }, 'the new config is in use');
      this.#life?.configChanged();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the new config is not used');
    }
  }

  /** Whether it claims tasks, and else why not. */
  standing(): NodeStanding {
    return this.#life?.standing() ?? NOT_UP_YET;
  }

  /** Hands back what runs without waiting any longer. */
  hurry(): void {
    this.#hurry.resolve();
  }

  /**
   * Runs until the signal aborts, then drains.
   *
   * @throws ClawmeshError `redis` where Redis can't be reached or used at start; later outages are waited out.
   */
  async run(): Promise<void> {
    const { loaded, nodeId, target, log, signal } = this.#options;
    const { config } = loaded;
    const settings = nodeConfig(config, nodeId);
    const mode = await chooseMode(config, this.#options.env, systemClock);
    const link = await openMeshLink({ live: this.#live, target, nodeId, hasProvider: mode !== 'simulate' });
    // What has been opened is closed in the opposite order, wherever something throws.
    await using opened = new AsyncDisposableStack();
    opened.defer(() => link.close());
    const outcomes = journalFolder({ mesh: config.mesh, meshId: link.id, nodeId }, this.#options.env);
    // Beside the outcomes, for this mesh alone, too.
    const submissions = join(dirname(dirname(outcomes)), 'submissions', basename(outcomes));
    const runnerOptions = this.#runnerOptions(submissions);
    const runner = this.#createRunner(mode, runnerOptions);
    opened.defer(() => runner.close());
    const stop = new Promise<'stop'>((resolve) => {
      if (signal.aborted) resolve('stop');
      signal.addEventListener('abort', () => resolve('stop'), { once: true });
    });
    const observer = guarded(this.#options.observer, (error) =>
      log.error({ nodeId, error: messageOf(error) }, 'something could not be counted'),
    );
    const journal = await Journal.open(outcomes, log.child({ nodeId }));
    opened.defer(() => journal.close());
    const alerter = new Alerter({
      config,
      feed: link.alertFeed,
      standing: async () => ({
        nodes: await link.registry.seen(),
        waitedMs: await link.waitedMs(),
        tooLongMs: config.alerts.oldestWaiting,
      }),
      log: log.child({ nodeId }),
    });
    opened.defer(() => withinTime(alerter.stop(), ALERTS_MS));
    await alerter.start();
    let left: Runner | undefined;
    opened.defer(() => left?.close());
    for (;;) {
      const life = await this.#nextLife(stop, {
        nodeId,
        live: this.#live,
        settings,
        version: this.#options.version,
        link,
        runner,
        log,
        journal,
        observer,
      });
      if (!life) return;
      this.#life = life;
      left ??= stopLeftInGateway(mode, runnerOptions);
      const why = await Promise.race([stop, life.fenced.then(() => 'fenced' as const)]);
      if (why === 'fenced') {
        await life.end('fenced');
        continue;
      }
      await life.drain(settings.drainTimeout, this.#hurry.promise);
      await life.end('hand-back');
      return;
    }
  }

  /**
   * Begins a life; undefined where it is told to stop before that. The first one begins or the daemon ends, with one line of why.
   * Later ones are tried until Redis takes them: whatever is wrong with it is mended by somebody.
   */
  async #nextLife(stop: Promise<'stop'>, options: NodeLifeOptions): Promise<NodeLife | undefined> {
    const { link, nodeId, log } = options;
    for (;;) {
      try {
        return await NodeLife.begin(options, await goneIncarnation(link, nodeId));
      } catch (error) {
        // Another daemon of this node was faster, or somebody has evicted it: who is there now?
        if ((!this.#life && !hasCode(error, 'fenced')) || hasCode(error, 'failed')) throw error;
        log.warn({ nodeId, error: messageOf(error) }, 'a new life could not begin; it is tried again');
        if ((await Promise.race([stop, sleep(NEXT_LIFE_MS)])) === 'stop') return undefined;
      }
    }
  }

  #createRunner(mode: OpenClawMode, options: RunnerOptions): Runner {
    const { loaded, nodeId, log } = this.#options;
    if (mode === 'simulate' && loaded.config.openclaw.mode === 'auto') {
      log.warn(
        { nodeId },
        'no OpenClaw gateway is ready and openclaw is not on PATH: tasks are only simulated, nothing real runs',
      );
    }
    return createRunner(mode, options);
  }

  #runnerOptions(submissions: string): RunnerOptions {
    const { loaded, nodeId, env } = this.#options;
    return { config: loaded.config, nodeId, env: runEnvironment(loaded, env), submissions, clock: systemClock };
  }
}
