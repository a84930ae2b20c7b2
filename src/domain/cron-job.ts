/** One part of a cron job, with the fields that its kind has. */
export interface CronJobPart {
  readonly [field: string]: unknown;
}

/**
 * A job of the cron that each OpenClaw gateway runs by itself, as its `cron.list` returns it. Fields that OpenClaw adds
 * later are kept, so that a reader can refuse what it does not know.
 */
export interface CronJob extends CronJobPart {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  /** When it runs: `cron`, `every`, `at` and others. */
  readonly schedule: CronJobPart & { readonly kind: string };
  /** Which session it runs in: `isolated`, `main`, `current` or `session:<key>`. */
  readonly sessionTarget: string;
  /** What it does: `agentTurn`, `systemEvent`, `command` and others. */
  readonly payload: CronJobPart & { readonly kind: string };
  /** Where its result goes; missing if nowhere. */
  readonly delivery?: (CronJobPart & { readonly mode: string }) | undefined;
  /** OpenClaw agent; missing for the gateway's default. */
  readonly agentId?: string | undefined;
  /** When it is due next, ms since the epoch; missing if it is disabled. */
  readonly nextRunAtMs?: number | undefined;
}
