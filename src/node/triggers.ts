import type { NodeContext } from './context.ts';
import type { Renewal } from './renewal.ts';
import type { RunSet } from './run-set.ts';
import type { Service } from './service.ts';
import { step } from './step.ts';

/** Has the node act when its connection to Redis is back, and when its journal gets into trouble or out of it. */
export function createTriggers(
  { backend, events, journal, onError }: NodeContext,
  { renewal, runs }: { renewal: Pick<Renewal, 'renewAll'>; runs: Pick<RunSet, 'recoverClaims'> },
): Service {
  const reconnected = () => {
    for (const work of [renewal.renewAll(), runs.recoverClaims()]) work.catch(onError);
  };
  let unsubscribe: readonly (() => unknown)[] = [];
  return step('triggers', {
    start: () => {
      unsubscribe = [backend.onReconnect(reconnected), journal.onTrouble(() => events.emit('factsChanged'))];
    },
    stop: () => unsubscribe.forEach((undo) => void undo()),
  });
}
