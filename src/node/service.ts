/**
 * A part of the daemon that works until it is stopped.
 *
 * Starting twice, stopping twice, and stopping before the start are harmless. No work begins after the call of `stop`,
 * which resolves when the work under way has ended. A stopped service is not started again: the next incarnation has
 * its own services. `test/node/services.test.ts` holds every service to this.
 */
export interface Service {
  /** For logs. */
  readonly name: string;
  /** Resolves when other services may rely on this one. */
  start(): void | Promise<void>;
  stop(): Promise<void>;
}
