import type { Config } from '../config/schema.ts';
import type { Alert } from '../domain/alert.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../log/logger.ts';
import { notifyMac, postJson, runWithJson } from '../platform/deliver.ts';
import type { AlertFeed } from '../registry/alert-feed.ts';
import type { MeshEvent } from '../registry/event-log.ts';
import { type AlertCondition, conditionsOf, currentConditions, REPEATED_MS } from './alert-conditions.ts';
import { Periodic } from './periodic.ts';
import type { Service } from './service.ts';

const INTERVAL_MS = 2_000;
/**
 * Interval between checks of the current conditions, ms. A condition alerts only if two checks in a row find it: a
 * restart does not.
 */
const STANDING_MS = 5_000;
/** If the watching node has not checked for this long, another node takes over, ms. */
const WATCHER_MS = 3 * STANDING_MS;
/** A resolved alert that could not be delivered is tried again for this long, ms. */
const UNTOLD_END_MS = 200_000;

/** Whether any way to deliver alerts is configured. */
export function hasAlerts({ alerts }: Pick<Config, 'alerts'>): boolean {
  return alerts.webhook !== '' || alerts.command !== '' || alerts.notification;
}

/** Delivers an alert in every configured way. @throws Error of the first that fails. */
export async function deliver({ alerts }: Pick<Config, 'alerts'>, alert: Alert): Promise<void> {
  const { text, fix, mesh, state } = alert;
  const mark = state === 'firing' ? '🔴' : '🟢';
  // Slack-compatible webhooks read `text`; programs read the rest.
  const body = {
    ...alert,
    summary: text,
    text: chatText(`${mark} clawmesh ${mesh}: ${text}${fix === null ? '' : `\n→ ${fix}`}`),
    mrkdwn: false,
  };
  if (alerts.webhook !== '') await postJson(alerts.webhook, body);
  if (alerts.command !== '') await runWithJson(alerts.command, body);
  if (alerts.notification)
    await notifyMac(`clawmesh ${mesh}`, `${mark} ${text}`, alerts.webhook + alerts.command !== '');
}

const ESCAPED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/**
 * Escapes a text for a chat. Its ids and reasons may come from any source, so they must create no link and mention no
 * user. Slack reads `<…>` as links and mentions. Mattermost and Discord read `@channel` and the like, which a
 * zero-width space breaks.
 */
function chatText(text: string): string {
  return text.replace(/[&<>]/g, (char) => ESCAPED[char] ?? char).replace(/@(?=channel|here|all|everyone)/gi, '@\u200b');
}

/** Watches the mesh together with all other nodes, and alerts on each condition once. */
export class Alerts implements Service {
  readonly name = 'alerts';
  readonly #config: Config;
  readonly #feed: AlertFeed;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #current: () => Promise<Parameters<typeof currentConditions>[0]>;
  readonly #loops: readonly Periodic[];
  /** The conditions that fired at the last check. */
  #lastFiring = new Set<string>();
  #starting: Promise<void> | undefined;
  #stopped = false;

  constructor(options: {
    config: Config;
    feed: AlertFeed;
    clock: Clock;
    /** Reads the current state of the mesh. */
    current: () => Promise<Parameters<typeof currentConditions>[0]>;
    log: Logger;
  }) {
    this.#config = options.config;
    this.#feed = options.feed;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#current = options.current;
    const { clock } = options;
    const onError = (error: unknown) =>
      this.#log.warn({ error: messageOf(error) }, 'alerts: a request to Redis failed');
    this.#loops = [
      new Periodic({ name: 'alert-events', clock, intervalMs: INTERVAL_MS, work: () => this.#watch(), onError }),
      new Periodic({ name: 'alert-conditions', clock, intervalMs: STANDING_MS, work: () => this.#look(), onError }),
    ];
  }

  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    if (this.#stopped || !hasAlerts(this.#config)) return;
    await this.#feed.open();
    for (const loop of this.#loops) loop.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled([this.#starting, ...this.#loops.map((loop) => loop.stop())]);
  }

  async #watch(): Promise<void> {
    for (const event of await this.#feed.take()) {
      try {
        await this.#tell(event);
        await this.#feed.done(event);
      } catch (error) {
        // The event stays on the list, so this node or another one takes it again.
        this.#log.error({ event: event.event, error: messageOf(error) }, 'alert not delivered; it is tried again');
      }
    }
  }

  async #tell(event: MeshEvent): Promise<void> {
    const deaths =
      event.event === 'node-dead' && event.node ? await this.#feed.count('node-dead', event.node, REPEATED_MS) : 0;
    for (const condition of conditionsOf(event, deaths)) await this.#tellOnce(condition, event.at);
  }

  /** Alerts on conditions that fire at two checks in a row, and on conditions that are resolved. */
  async #look(): Promise<void> {
    // One node checks at a time: in a large mesh, checks by all nodes of all nodes would be most of the load.
    if (!(await this.#feed.watches(WATCHER_MS))) {
      this.#lastFiring = new Set();
      return;
    }
    const conditions = currentConditions(await this.#current());
    const firing = new Set(conditions.filter(({ state }) => state === 'firing').map(nameOf));
    const before = this.#lastFiring;
    this.#lastFiring = firing;
    for (const condition of conditions) {
      if (condition.state === 'firing' && !before.has(nameOf(condition))) continue;
      try {
        await this.#tellOnce(condition, new Date(this.#clock.now()).toISOString());
      } catch (error) {
        this.#log.error({ kind: condition.kind, error: messageOf(error) }, 'alert not delivered; it is tried again');
      }
    }
  }

  async #tellOnce(condition: AlertCondition, at: string): Promise<void> {
    const wanted = (this.#config.alerts.on as readonly string[]).includes(condition.kind);
    if (!wanted) return;
    const name = nameOf(condition);
    const isNews =
      condition.state === 'firing' ? await this.#feed.begins(name, condition.quietMs) : await this.#feed.ends(name);
    if (isNews) await this.#deliver(condition, name, at);
  }

  async #deliver(condition: AlertCondition, name: string, at: string): Promise<void> {
    const { kind, subject, state, text, fix } = condition;
    try {
      await deliver(this.#config, { kind, mesh: this.#config.mesh, state, subject, text, fix, at });
      this.#log.info({ kind, subject, state }, 'alert delivered');
    } catch (error) {
      // Undo the state change, so that the next try counts as news.
      if (state === 'firing') await this.#feed.ends(name);
      else await this.#feed.begins(name, UNTOLD_END_MS);
      throw error;
    }
  }
}

function nameOf({ kind, subject }: AlertCondition): string {
  return `${kind}:${subject}`;
}
