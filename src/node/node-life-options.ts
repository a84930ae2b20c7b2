import type { LiveConfig } from '../config/live.ts';
import type { NodeConfig } from '../config/node-settings.ts';
import type { Logger } from '../log/logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { Journal } from './journal.ts';
import type { MeshLink } from './mesh-link.ts';
import type { NodeObserver } from './observer.ts';

/** What every life of a node has from the daemon that it is part of. */
export interface NodeLifeOptions {
  readonly nodeId: string;
  readonly live: LiveConfig;
  readonly settings: NodeConfig;
  readonly version: string;
  readonly link: MeshLink;
  readonly runner: Runner;
  readonly log: Logger;
  readonly journal: Journal;
  readonly observer: NodeObserver;
}
