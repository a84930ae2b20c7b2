import type { NodeContext } from './context.ts';
import { OnDemand } from './on-demand.ts';

/**
 * After a round, rest four times as long: at most a fifth of the time is spent on held tasks, however many there are.
 */
const REST = 4;

/**
 * Releases held tasks whose reason is gone, and announces those that this node may run (`heldFor`). The more tasks are
 * held, the longer a round takes; so sweeps request a round and do not wait for it.
 */
export function createHeldReleaser({ clock, backend, events, onError }: NodeContext): OnDemand {
  const work = async () => events.emit('heldFor', (await backend.releaseHeld()).heldFor);
  return new OnDemand({ name: 'held-releaser', clock, work, onError, rest: REST });
}
