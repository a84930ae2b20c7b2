import type { Config } from '../config/schema.ts';
import type { Alert } from '../domain/alert.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../log/logger.ts';
import { postJson, runWithJson } from '../platform/deliver.ts';
import type { AlertFeed } from '../registry/alert-feed.ts';
import type { MeshEvent } from '../registry/event-log.ts';
import { REPEATED_MS, type Trouble, troublesOf } from './alert-rules.ts';
import { Periodic } from './periodic.ts';

const INTERVAL_MS = 2_000;
/** The end of a trouble that could not be told is tried again for so long, ms. */
const UNTOLD_END_MS = 200_000;

/** Whether anybody is to be told of anything. */
export function hasAlerts({ alerts }: Pick<Config, 'alerts'>): boolean {
  return alerts.webhook !== '' || alerts.command !== '';
}

/** Tells people, by all the ways that are configured. @throws Error of the first that fails. */
export async function deliver({ alerts }: Pick<Config, 'alerts'>, alert: Alert): Promise<void> {
  const { text, fix, mesh, state } = alert;
  const mark = state === 'firing' ? '🔴' : '🟢';
  // Slack and what speaks like it reads `text`; programs read the rest.
  const body = {
    ...alert,
    summary: text,
    text: `${mark} clawmesh ${mesh}: ${text}${fix === null ? '' : `\n→ ${fix}`}`,
  };
  if (alerts.webhook !== '') await postJson(alerts.webhook, body);
  if (alerts.command !== '') await runWithJson(alerts.command, body);
}

/** Watches the mesh together with all other nodes, and tells people of trouble, each once. */
export class Alerter {
  readonly #config: Config;
  readonly #feed: AlertFeed;
  readonly #log: Logger;
  readonly #loop: Periodic;

  constructor(options: { config: Config; feed: AlertFeed; log: Logger }) {
    this.#config = options.config;
    this.#feed = options.feed;
    this.#log = options.log;
    this.#loop = new Periodic({
      intervalMs: INTERVAL_MS,
      work: () => this.#watch(),
      onError: (error) => this.#log.warn({ error: messageOf(error) }, 'alerts: Redis trouble'),
    });
  }

  async start(): Promise<void> {
    if (!hasAlerts(this.#config)) return;
    await this.#feed.open();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #watch(): Promise<void> {
    for (const event of await this.#feed.take()) {
      try {
        await this.#tell(event);
        await this.#feed.done(event);
      } catch (error) {
        // It stays on the list, and comes again: here, or on another node.
        this.#log.error({ event: event.event, error: messageOf(error) }, 'an alert could not be delivered');
      }
    }
  }

  async #tell(event: MeshEvent): Promise<void> {
    const deaths =
      event.event === 'node-dead' && event.node ? await this.#feed.count('node-dead', event.node, REPEATED_MS) : 0;
    for (const trouble of troublesOf(event, deaths)) {
      const name = `${trouble.kind}:${trouble.subject}`;
      const wanted = (this.#config.alerts.on as readonly string[]).includes(trouble.kind);
      if (!wanted) continue;
      const isNews =
        trouble.state === 'firing' ? await this.#feed.begins(name, trouble.quietMs) : await this.#feed.ends(name);
      if (isNews) await this.#deliver(event, trouble, name);
    }
  }

  async #deliver(event: MeshEvent, trouble: Trouble, name: string): Promise<void> {
    const { kind, subject, state, text, fix } = trouble;
    try {
      await deliver(this.#config, { kind, mesh: this.#config.mesh, state, subject, text, fix, at: event.at });
      this.#log.info({ kind, subject, state }, 'alert delivered');
    } catch (error) {
      // As if nobody had begun, so that the next try counts.
      if (state === 'firing') await this.#feed.ends(name);
      else await this.#feed.begins(name, UNTOLD_END_MS);
      throw error;
    }
  }
}
