import type { Config } from '../config/schema.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../log/logger.ts';
import { restartGatewayJob } from '../platform/gateway-job.ts';

const HOUR_MS = 3_600_000;

export interface GatewayRestarterOptions {
  /** How long the gateway may be in trouble, ms. */
  readonly afterMs: number;
  /** Maximum number of restarts within an hour: an operator has to repair what they do not cure. */
  readonly perHour: number;
  readonly restart: () => Promise<void>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Restarts a gateway that has been in trouble for long, up to the hourly maximum. */
export class GatewayRestarter {
  readonly #options: GatewayRestarterOptions;
  #troubleSince: number | undefined;
  #restarts: number[] = [];
  #gaveUp = false;

  constructor(options: GatewayRestarterOptions) {
    this.#options = options;
  }

  /** The restarter for this config; undefined if the config disables restarts. */
  static of({ openclaw }: Pick<Config, 'openclaw'>, clock: Clock, log: Logger): GatewayRestarter | undefined {
    const { after, perHour, job } = openclaw.gateway.restart;
    if (after === 0) return undefined;
    return new GatewayRestarter({ afterMs: after, perHour, restart: () => restartGatewayJob(job), clock, log });
  }

  /** Called after every check of the gateway, with the reason for its trouble, or null. */
  async checked(trouble: string | null): Promise<void> {
    const { afterMs, perHour, restart, log, clock } = this.#options;
    const now = clock.monotonic();
    if (trouble === null) {
      this.#troubleSince = undefined;
      this.#gaveUp = false;
      return;
    }
    this.#troubleSince ??= now;
    if (now - this.#troubleSince < afterMs) return;
    this.#restarts = this.#restarts.filter((at) => now - at < HOUR_MS);
    if (this.#restarts.length >= perHour) {
      if (!this.#gaveUp)
        log.error({ trouble, restarts: perHour }, 'restarts do not repair the gateway; check it yourself');
      this.#gaveUp = true;
      return;
    }
    // The restarted gateway gets the same time to come up.
    this.#troubleSince = now;
    this.#restarts.push(now);
    log.warn({ trouble, afterMs }, 'the gateway has been unhealthy for too long; restarting its job');
    await restart().catch((error: unknown) => log.error({ error: messageOf(error) }, 'restart of the gateway failed'));
  }
}
