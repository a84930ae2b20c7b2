import type { NodeConfig } from '../config/node-settings.ts';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../log/logger.ts';
import type { Daemon } from '../node/daemon.ts';
import { NO_OBSERVER, type NodeObserver } from '../node/observer.ts';
import { NOT_UP_YET, type NodeStanding } from '../node/standing.ts';
import type { NodeMetrics } from '../ops/metrics/node-metrics.ts';
import { systemClock } from '../platform/clock.ts';
import type { RedisTarget } from '../redis/connection.ts';

interface NodeWebOptions {
  readonly nodeId: string;
  readonly config: Config;
  readonly settings: NodeConfig;
  readonly target: RedisTarget;
  readonly log: Logger;
}

/**
 * The web services of a node, if configured: health, metrics, the dashboard. An error in one must not stop the node: it
 * is logged, and the node continues.
 */
export class NodeWeb {
  /** The observer for the daemon. */
  readonly observer: NodeObserver;
  readonly #options: NodeWebOptions;
  readonly #metrics: NodeMetrics | undefined;
  readonly #closers: (() => Promise<void>)[] = [];
  #daemon: Daemon | undefined;

  private constructor(options: NodeWebOptions, metrics: NodeMetrics | undefined) {
    this.#options = options;
    this.#metrics = metrics;
    this.observer = metrics ?? NO_OBSERVER;
  }

  static async of(options: NodeWebOptions): Promise<NodeWeb> {
    const { settings, nodeId, config } = options;
    if (!settings.listen) return new NodeWeb(options, undefined);
    const { NodeMetrics } = await import('../ops/metrics/node-metrics.ts');
    const metrics = new NodeMetrics({
      mesh: config.mesh,
      nodeId,
      pools: Object.keys(settings.pools),
      facts: () => web.#standing(),
    });
    const web: NodeWeb = new NodeWeb(options, metrics);
    return web;
  }

  async open(daemon: Daemon): Promise<void> {
    this.#daemon = daemon;
    const { settings } = this.#options;
    await Promise.all([
      settings.listen && this.#openNode(settings.listen),
      settings.dashboard && this.#openDashboard(),
    ]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close().catch(() => {})));
  }

  #standing(): NodeStanding {
    return this.#daemon?.standing() ?? NOT_UP_YET;
  }

  async #openNode(address: { host: string; port: number }): Promise<void> {
    const { nodeId, config, log } = this.#options;
    const metrics = this.#metrics;
    if (!metrics) return;
    await this.#try(async () => {
      const { serveNode } = await import('../ops/http/node-server.ts');
      const server = await serveNode({
        ...address,
        clock: systemClock,
        nodeId,
        mesh: config.mesh,
        token: config.dashboard.token,
        tokens: config.dashboard.tokens,
        standing: () => this.#standing(),
        metrics: () => metrics.text(),
        log,
      });
      this.#closers.push(server.close);
      log.info({ nodeId, url: server.url }, 'serving /healthz, /readyz and /metrics');
    });
  }

  async #openDashboard(): Promise<void> {
    const { nodeId, config, target, log } = this.#options;
    await this.#try(async () => {
      const [{ Mesh }, { openDashboard }] = await Promise.all([
        import('../client/mesh.ts'),
        import('./open-dashboard.ts'),
      ]);
      const mesh = await Mesh.connect(config, target, { role: 'service', clock: systemClock });
      this.#closers.push(() => mesh.close());
      const server = await openDashboard(mesh, config.dashboard, log);
      this.#closers.unshift(server.close);
      log.info({ nodeId, url: server.url }, 'serving the dashboard');
    });
  }

  async #try(serve: () => Promise<void>): Promise<void> {
    const { nodeId, log } = this.#options;
    try {
      await serve();
    } catch (error) {
      log.error({ nodeId, error: messageOf(error) }, 'a web service did not start; the node continues without it');
    }
  }
}
