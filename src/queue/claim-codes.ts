import type { Claim, Incarnation } from '../domain/claim.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { RefusedError } from '../redis/refusal.ts';

/** Result code of our scripts: the incarnation is not the node's current one. */
const FENCED = -20;
/** Result code of our scripts: the circuits have changed; what the caller knows of them is old. */
export const CIRCUITS_CHANGED = -21;
/** Result code of our scripts: the strategy gives the task to another node. */
export const FOR_ANOTHER_NODE = -22;
/** BullMQ's, and ours: the task's hash, its lock or its place in the active list is gone, or the lock is someone else's. */
export const CLAIM_GONE: ReadonlySet<number> = new Set([-1, -2, -3, -6]);

/** @throws ClawmeshError `fenced`, `claim-lost`; RefusedError for any other code that is a refusal. */
export function throwIfRefused(reply: unknown, owner: Incarnation, claim?: Claim): void {
  if (typeof reply !== 'number' || reply >= 0) return;
  if (reply === FENCED) {
    throw new ClawmeshError('fenced', `${owner.nodeId} incarnation ${owner.incarnation} is fenced`);
  }
  if (CLAIM_GONE.has(reply)) {
    throw new ClawmeshError('claim-lost', `the claim on task ${claim?.taskId} is gone (code ${reply})`);
  }
  throw new RefusedError(`Redis refused with code ${reply} for task ${claim?.taskId}`);
}
