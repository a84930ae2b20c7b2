/**
 * A part of the daemon that works until it is stopped.
 *
 * Starting twice and stopping twice are harmless, and so is stopping what was never started. Nothing begins after the
 * call of
 * `stop`, which resolves when the work under way has ended. A stopped service is not started again: the next
 * incarnation has
 * services of its own. `test/node/services.test.ts` holds every service to this.
 */
export interface Service {
  /** For logs. */
  readonly name: string;
  /** Resolves when others may rely on it. */
  start(): void | Promise<void>;
  stop(): Promise<void>;
}
