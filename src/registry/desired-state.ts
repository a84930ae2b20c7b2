import { DESIRED_STATES, type DesiredState } from '../domain/node.ts';
import type { Pause } from '../domain/pause.ts';
import { readPause } from '../redis/stored-pause.ts';

/** What an operator wants of a node. */
export interface Desired {
  /** Undefined if the node may claim tasks. */
  readonly desired: DesiredState | undefined;
  /** Set if `desired` is `pause`. */
  readonly pause: Pause | undefined;
}

/** Reads a desired state as `set-desired-state.lua` stores it. A state that only a newer clawmesh knows is ignored. */
export function readDesired(text: string): Desired {
  const pause = text.startsWith('pause ') ? readPause(text.slice('pause '.length)) : undefined;
  const desired = pause ? 'pause' : DESIRED_STATES.find((one) => one !== 'pause' && one === text);
  return { desired, pause };
}
