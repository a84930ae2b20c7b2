import type { Clock } from '../domain/clock.ts';
import { counted, listed } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import { type DesiredState, type Node, orphanedWords } from '../domain/node.ts';
import { isThere } from '../domain/node-state.ts';
import { humanDuration } from '../domain/units.ts';

/** Runs take seconds to an hour; a quarter second more makes no difference, ms. */
const POLL_MS = 250;

export interface DrainWait {
  readonly nodes: {
    /** @throws ClawmeshError `not-found`. */
    existing(id: string): Promise<Node>;
    /** The desired state of the node. */
    desired(id: string): Promise<DesiredState | undefined>;
  };
  readonly clock: Clock;
  /** The node, as it was once the drain was stored. */
  readonly asked: Node;
  /** Give up after this long, ms; never if absent. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits until a node that is being drained has confirmed this and has no claims any more.
 *
 * @throws ClawmeshError `failed` if it is resumed or paused, or is gone and has lost tasks; `not-found` if it is forgotten
 * meanwhile; `timeout` after `timeoutMs`, while the drain continues.
 */
export async function waitUntilDrained({
  nodes,
  clock,
  asked,
  timeoutMs = Number.POSITIVE_INFINITY,
}: DrainWait): Promise<Node> {
  const startedAt = clock.monotonic();
  let held = 0;
  for (let node = asked; ; node = await nodes.existing(node.id)) {
    const { id, state, running, orphaned } = node;
    const isGone = !isThere(state);
    // If the node has died since the last read, the runs seen then did not end on it.
    const lost = state === 'dead' ? Math.max(held, orphaned.length) : orphaned.length;
    if (isGone && lost > 0) throw goneWithTasks(node, lost);
    if ((isGone || state === 'draining') && running.length + orphaned.length === 0) return node;
    if ((await nodes.desired(id)) !== 'drain') {
      throw new ClawmeshError('failed', `${id} was resumed or paused before it was drained`, {
        remedy: `to drain it again: clawmesh node drain ${id} --wait`,
      });
    }
    const elapsedMs = clock.monotonic() - startedAt;
    if (elapsedMs >= timeoutMs) throw stillDraining(node, timeoutMs);
    held = running.length;
    await clock.sleep(Math.min(POLL_MS, timeoutMs - elapsedMs));
  }
}

function goneWithTasks({ id, state, orphaned }: Node, lost: number): ClawmeshError {
  const what =
    orphaned.length > 0
      ? orphanedWords(orphaned.length)
      : `${counted(lost, 'task')} that it had claimed went to other nodes`;
  return new ClawmeshError('failed', `${id} ${state === 'dead' ? 'is dead' : 'has stopped'}; ${what}`, {
    remedy: `see clawmesh handovers --node ${id}`,
  });
}

function stillDraining({ id, running, orphaned }: Node, timeoutMs: number): ClawmeshError {
  const tasks = [...running, ...orphaned];
  const after = `after ${humanDuration(timeoutMs)}`;
  const what =
    tasks.length > 0
      ? `still runs ${counted(tasks.length, 'task')} ${after}: ${listed(tasks)}`
      : `has not confirmed the drain ${after}`;
  return new ClawmeshError('timeout', `${id} ${what}`, {
    remedy: `the drain continues; see clawmesh node show ${id}`,
  });
}
