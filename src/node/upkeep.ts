import type { ScheduleFailure } from '../domain/schedule.ts';
import type { Logger } from '../log/logger.ts';
import type { ClaimLoop } from './claim-loop.ts';
import { createHeldReleaser } from './held-releaser.ts';
import { createJanitor, type JanitorOptions } from './janitor.ts';
import { MeshSweep, type MeshSweepOptions } from './mesh-sweep.ts';
import type { OnDemand } from './on-demand.ts';
import type { Periodic } from './periodic.ts';
import { Renewal } from './renewal.ts';

/** What a node does for the mesh and its own claims, whatever it runs: renewals, sweeps, releasing what is held, tidying up. */
export class Upkeep {
  readonly renewal: Renewal;
  readonly sweep: MeshSweep;
  readonly #releaser: OnDemand;
  readonly #janitor: Periodic;

  constructor(
    options: Omit<MeshSweepOptions, 'waitsForWork' | 'releaseHeld'> & {
      /** Releases held tasks, and takes those that are for this node. */
      releaseHeld: () => Promise<unknown>;
      loops: readonly ClaimLoop[];
      mendSchedules: () => Promise<readonly ScheduleFailure[]>;
      tidyMesh: JanitorOptions['tidyMesh'];
      log: Logger;
      onError: (error: unknown) => void;
    },
  ) {
    this.renewal = new Renewal({ ...options, visibilityTimeoutMs: options.config.queue.visibilityTimeout });
    const waitsForWork = () => options.loops.some((loop) => loop.waitsForWork);
    this.#releaser = createHeldReleaser(options);
    this.sweep = new MeshSweep({ ...options, waitsForWork, releaseHeld: () => this.#releaser.ask() });
    this.#janitor = createJanitor(options);
  }

  start(): void {
    this.renewal.start();
    this.#releaser.start();
    this.sweep.start();
    this.#janitor.start();
  }

  /** Waits for nothing that hangs on an absent Redis. */
  stop(): void {
    this.renewal.stop();
    this.sweep.stop();
    this.#releaser.stop();
    void this.#janitor.stop();
  }
}
