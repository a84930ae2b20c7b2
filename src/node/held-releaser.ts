import { OnDemand } from './on-demand.ts';

/** After a round it rests for so many times as long: at most a fifth of the time is spent on what is held, however much that is. */
const REST = 4;

/**
 * Releases held tasks, and takes those that are for this node. A round takes the longer the more is held; so sweeps ask for
 * one and do not wait for it.
 */
export function createHeldReleaser(options: {
  releaseHeld: () => Promise<unknown>;
  onError: (error: unknown) => void;
}): OnDemand {
  return new OnDemand({ work: options.releaseHeld, onError: options.onError, rest: REST });
}
