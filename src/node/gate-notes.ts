import type { Incarnation } from '../domain/claim.ts';
import type { GateState } from '../domain/node.ts';
import type { Logger } from '../log/logger.ts';
import type { NodeRegistry } from '../registry/node-registry.ts';

/** Tells the log at once, and then the mesh, which gates of this node have closed or opened. */
export async function noteGates(
  changed: readonly GateState[],
  { owner, log, registry }: { owner: Incarnation; log: Logger; registry: NodeRegistry },
): Promise<void> {
  for (const { name, open, reason } of changed) {
    if (open) log.info({ gate: name }, 'gate open');
    else log.warn({ gate: name, reason }, 'gate closed');
  }
  await registry.noteGates(owner, changed);
}
