import type { Mesh } from '../client/mesh.ts';
import { listed } from '../domain/counted.ts';
import { slotsOf } from '../domain/node.ts';
import { targetOf } from '../domain/target.ts';
import type { NewTask } from '../domain/task.ts';
import { ableNodes, type WaitingFacts, type WaitingTask, waitingFacts, whyWaiting } from './waiting.ts';

/** What would happen to a task if it were queued now. */
export interface DryRun {
  /** Pool that it would be queued in. */
  readonly pool: string;
  /** Nodes that would claim it at once: they are up, may run it, and have a free slot. */
  readonly nodes: readonly string[];
  /** Why it would wait, for people; null if a node would claim it at once. */
  readonly waits: string | null;
  /** The remedy for the wait; null if the task would start by itself. */
  readonly fix: string | null;
  /** Id of the task that its idempotency key belongs to, so that nothing would be queued; null if the key is free. */
  readonly duplicateOf: string | null;
}

/**
 * Says where a task would run now, or why it would wait. Queues nothing.
 *
 * @throws ClawmeshError `not-found` if it names an unknown node or comes after a task that does not exist; `usage` if it
 * would never run.
 */
export async function dryRun(
  mesh: Pick<Mesh, 'config' | 'node' | 'pool' | 'circuits' | 'server' | 'task'>,
  task: NewTask,
): Promise<DryRun> {
  const [resolved = task] = await mesh.task.withReferences([task]);
  const [outlook, facts, inLine] = await Promise.all([
    mesh.task.outlook(resolved),
    waitingFacts(mesh),
    mesh.pool.inLine(),
  ]);
  const { pool } = task;
  const says = (waits: string | null, fix: string | null = null, nodes: readonly string[] = []): DryRun => ({
    pool,
    nodes,
    waits,
    fix,
    duplicateOf: null,
  });
  const { keyOwner, sessionTask, stickyNode, after } = outlook;
  if (keyOwner) {
    const state = keyOwner.state === 'gone' ? 'no longer exists' : `is ${keyOwner.state}`;
    return { ...says(`task ${keyOwner.id} has the same key, and ${state}`), duplicateOf: keyOwner.id };
  }
  if (after.length > 0) return says(`it waits for ${listed(after)} to complete`);
  const reason = whyWaiting(placeOf(task, facts.now), facts);
  if (reason) return says(reason.text, reason.fix);
  if (sessionTask !== null) return says(`task ${sessionTask} of session ${task.session} comes first`);
  const able = ableNodes(placeOf(task, facts.now), facts);
  const sticky = able.filter(({ id }) => id === stickyNode);
  const free = (sticky.length > 0 ? sticky : able).filter((node) => hasFreeSlot(node, pool));
  const ahead = inLine.get(pool) ?? 0;
  if (free.length > 0 && ahead === 0)
    return says(
      null,
      null,
      free.map(({ id }) => id),
    );
  const slot = `it waits for a free slot on ${listed((sticky.length > 0 ? sticky : able).map(({ id }) => id))}`;
  return says(
    ahead === 0 ? slot : `${slot}; ${ahead} ${ahead === 1 ? 'task is' : 'tasks are'} in line in pool ${pool}`,
  );
}

function placeOf(task: NewTask, now: number): WaitingTask {
  const { pool, agent = null, session = null, model = null, delayMs } = task;
  return {
    pool,
    agent,
    session,
    model,
    target: targetOf(task) ?? null,
    state: delayMs > 0 ? 'delayed' : 'waiting',
    heldBy: null,
    delayedUntil: delayMs > 0 ? new Date(now + delayMs).toISOString() : null,
  };
}

function hasFreeSlot({ pools, running, maxTasks }: WaitingFacts['nodes'][number], pool: string): boolean {
  const { concurrency = 0, running: inPool = 0 } = pools[pool] ?? {};
  const slots = slotsOf(
    Object.values(pools).map((each) => each.concurrency),
    maxTasks,
  );
  return inPool < concurrency && running.length < slots;
}
