import type { Mesh } from '../../src/client/mesh.ts';
import { counted } from '../../src/domain/counted.ts';
import { cutText } from '../../src/domain/cut-text.ts';
import type { Task } from '../../src/domain/task.ts';
import { takeSnapshot } from '../../src/ops/snapshot.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Enqueued } from '../../src/queue/bullmq/task-producer.ts';
import type { TaskInput } from '../../src/queue/new-task.ts';
import type { ChatRoute } from './chat-route.ts';

// What tools and the slash command ask of the mesh, each with its answer in words.

/** Longest part of an answer or error in a reply, characters. */
const SHOWN_LENGTH = 4_000;
const MOST_PROBLEMS = 5;

/** A reply to a person or a model, and the same for programs. */
export interface Reply {
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Queues a task whose answer goes to the chat of the request, if `reply`. */
export async function enqueue(
  mesh: Mesh,
  input: TaskInput,
  { origin, deliver }: ChatRoute,
  { reply }: { reply: boolean },
): Promise<Reply> {
  const recipient = reply ? deliver : undefined;
  const task = { ...input, origin, ...(recipient && { deliver: recipient }) };
  const [enqueued] = await mesh.enqueue(task);
  const { id, pool, duplicate } = enqueued as Enqueued;
  const what = duplicate ? `That is task ${id} already` : `Queued task ${id} in pool ${pool}`;
  const where = recipient ? 'its answer arrives here' : `its answer: /mesh task ${id}`;
  return { text: `${what}; ${where}.`, details: { taskId: id, pool, duplicate, answersHere: recipient !== undefined } };
}

/** The mesh in a few lines. */
export async function status(mesh: Mesh): Promise<Reply> {
  const { snapshot } = await takeSnapshot(mesh, systemClock);
  const { nodes, pools, problems, running, moreRunning } = snapshot;
  const states = Object.entries(nodes).filter(([, count]) => count > 0);
  const lines = [
    `Mesh ${snapshot.mesh}: ${states.map(([state, count]) => `${counted(count, 'node')} ${state}`).join(', ') || 'no nodes'}`,
    ...Object.entries(pools).map(
      ([pool, { waiting, active, delayed, failed, paused }]) =>
        `${pool}: ${waiting} waiting, ${active} running, ${delayed} delayed, ${failed} failed${paused ? ' (paused)' : ''}`,
    ),
    ...problems.slice(0, MOST_PROBLEMS).map(({ what, fix }) => `! ${what} → ${fix}`),
  ];
  if (problems.length > MOST_PROBLEMS) lines.push(`! ${counted(problems.length - MOST_PROBLEMS, 'more problem')}`);
  return {
    text: lines.join('\n'),
    details: { nodes, pools, problems, running: running.length + moreRunning },
  };
}

/** How far a task is, or its answer. */
export async function show(mesh: Mesh, id: string): Promise<Reply> {
  const task = await mesh.task.existing(id);
  const { state, node, pool, attempts, handovers, result, error, progress } = task;
  return {
    text: words(task),
    details: {
      task: {
        id,
        state,
        node,
        pool,
        attempts,
        handovers,
        progress,
        result: result && cut(result.text),
        failure: error,
      },
    },
  };
}

/** Cancels a task, a running one included. */
export async function cancel(mesh: Mesh, id: string, who: string): Promise<Reply> {
  const outcome = await mesh.cancel(id, `cancelled by ${who} in a chat`);
  const text = outcome === 'cancelled' ? `Task ${id} is cancelled.` : `Task ${id} ends as soon as its node stops it.`;
  return { text, details: { taskId: id, outcome } };
}

function words({ id, state, node, heldBy, progress, attempts, handovers, result, error, delivery }: Task): string {
  const parts = [`Task ${id} is ${state}${node === null ? '' : ` on ${node}`}`];
  if (heldBy !== null) parts.push(`held by ${heldBy}`);
  if (attempts.made > 1) parts.push(`${attempts.made} of ${attempts.max} attempts made`);
  if (handovers > 0) parts.push(counted(handovers, 'handover'));
  if (progress && state === 'active') parts.push(progress.note);
  if (delivery?.state === 'failed') parts.push(`its answer was not delivered: ${delivery.reason ?? 'unknown'}`);
  const end = result?.text ?? (error && `${error.kind}: ${error.message}`);
  return parts.join(', ') + (end ? `\n\n${cut(end)}` : '');
}

function cut(text: string): string {
  return text.length <= SHOWN_LENGTH ? text : `${cutText(text, SHOWN_LENGTH)}…`;
}
