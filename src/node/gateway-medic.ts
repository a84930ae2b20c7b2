import type { Config } from '../config/schema.ts';
import { messageOf } from '../domain/errors.ts';
import type { OpenClawMode } from '../domain/node.ts';
import type { Logger } from '../log/logger.ts';
import { restartGatewayJob } from '../platform/gateway-job.ts';

const HOUR_MS = 3_600_000;

export interface GatewayMedicOptions {
  /** How long the gateway may be in trouble, ms. */
  readonly afterMs: number;
  /** Restarts within an hour at most: what they do not cure is for people. */
  readonly perHour: number;
  readonly restart: () => Promise<void>;
  readonly log: Logger;
  /** Monotonic time, ms. */
  readonly now?: () => number;
}

/** Restarts a gateway that has been in trouble for long, a few times. */
export class GatewayMedic {
  readonly #options: GatewayMedicOptions;
  readonly #now: () => number;
  #troubleSince: number | undefined;
  #restarts: number[] = [];
  #gaveUp = false;

  constructor(options: GatewayMedicOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The medic that this config asks for, if any. */
  static for(mode: OpenClawMode, { openclaw }: Pick<Config, 'openclaw'>, log: Logger): GatewayMedic | undefined {
    const { after, perHour, job } = openclaw.gateway.restart;
    if (mode !== 'gateway' || after === 0) return undefined;
    return new GatewayMedic({ afterMs: after, perHour, restart: () => restartGatewayJob(job), log });
  }

  /** To be told how the gateway is whenever that has been looked at: why it's in trouble, or null. */
  async look(trouble: string | null): Promise<void> {
    const now = this.#now();
    if (trouble === null) {
      this.#troubleSince = undefined;
      this.#gaveUp = false;
      return;
    }
    this.#troubleSince ??= now;
    const { afterMs, perHour, restart, log } = this.#options;
    if (now - this.#troubleSince < afterMs) return;
    this.#restarts = this.#restarts.filter((at) => now - at < HOUR_MS);
    if (this.#restarts.length >= perHour) {
      if (!this.#gaveUp) log.error({ trouble, restarts: perHour }, 'restarts do not cure the gateway; see to it');
      this.#gaveUp = true;
      return;
    }
    // The new one gets as long to come up.
    this.#troubleSince = now;
    this.#restarts.push(now);
    log.warn({ trouble, afterMs }, 'the gateway has been in trouble for long; its job is restarted');
    await restart().catch((error: unknown) => log.error({ error: messageOf(error) }, 'the restart failed'));
  }
}
