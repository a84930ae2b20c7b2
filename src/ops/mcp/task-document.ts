import type { Mesh } from '../../client/mesh.ts';
import { cutText } from '../../domain/cut-text.ts';
import type { Task } from '../../domain/task.ts';
import { isEnded } from '../../domain/task-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { type WaitingReason, waitingFacts, whyWaiting } from '../waiting.ts';
import { type Bounds, bounded, partOf } from './bounds.ts';

/**
 * Maximum length of the part of an answer that one call returns. Some clients show their model the text and the document,
 * so it counts twice.
 */
export const MAX_ANSWER = 8_000;
/** The newest entries of a history that one call returns. */
const MAX_HISTORY = 20;
const BOUNDS: Bounds = { characters: 2_000, entries: 50 };

/** A task for a model: as `task show --json` prints it, but everything long is cut. */
export interface TaskDocument extends Task {
  /** Why it does not run, and the remedy; null if it runs or has ended, or only waits for a free slot. */
  readonly waitingFor: WaitingReason | null;
  /** What was cut, and how to get the rest. */
  readonly cut: readonly string[];
}

/**
 * Cuts a task.
 *
 * @param answer the part of the answer to return: its start and maximum length
 */
export function taskDocument(
  task: Task,
  waitingFor: WaitingReason | null,
  answer: { from?: number; length?: number } = {},
): TaskDocument {
  const { result, history, ...rest } = task;
  const { document, cut } = bounded({ ...rest, history: history.slice(-MAX_HISTORY) }, BOUNDS);
  const hints = [...cut];
  if (history.length > MAX_HISTORY) hints.push(`history: the newest ${MAX_HISTORY} of ${history.length} entries`);
  if (hints.length > 0) hints.push(`for the rest: clawmesh task show ${task.id} --json`);
  if (!result) return { ...document, result, waitingFor, cut: hints };
  const part = partOf(result.text, answer.from ?? 0, answer.length ?? MAX_ANSWER);
  if (part.text.length < part.length) hints.push(`result.text: ${partHint(part)}`);
  return { ...document, result: { ...result, text: part.text }, waitingFor, cut: hints };
}

function partHint({ from, to, length }: { from: number; to: number; length: number }): string {
  const shown = `characters ${from} to ${to} of ${length}`;
  return to < length ? `${shown}; for the rest, call mesh_task with result_from: ${to}` : shown;
}

/** Why these tasks do not run, for those with a reason that is worth telling. */
export async function waitingReasons(mesh: Mesh, tasks: readonly Task[]): Promise<Map<string, WaitingReason>> {
  const waiting = tasks.filter(({ state }) => !isEnded(state) && state !== 'active');
  if (waiting.length === 0) return new Map();
  const facts = await waitingFacts(mesh);
  return new Map(
    waiting.flatMap((task) => {
      const reason = whyWaiting(task, facts);
      return reason ? [[task.id, reason] as const] : [];
    }),
  );
}

/** The task as a few lines: its state, and its answer or error. */
export function taskText(task: TaskDocument): string {
  const { id, state, pool, node, attempts, result, error, waitingFor, progress, delivery, cut } = task;
  const where = state === 'active' ? `running on ${node}` : node === null ? state : `${state} on ${node}`;
  const took = result ? `, after ${humanDuration(result.durationMs)}` : '';
  const lines = [`task ${id} in pool ${pool}: ${where}${took}; ${attempts.made} of ${attempts.max} attempts ended`];
  if (waitingFor) lines.push(`it waits: ${reasonText(waitingFor)}`);
  if (state === 'active' && progress) lines.push(`progress at ${progress.at}: ${cutText(progress.note, 300)}`);
  if (error) lines.push(`error (${error.kind}): ${error.message}`);
  if (result) lines.push('answer of the agent:', result.text);
  if (delivery) {
    const { to, state: sent, reason } = delivery;
    lines.push(`delivery of the answer to ${to}: ${sent}${reason === null ? '' : ` (${reason})`}`);
  }
  if (cut.length > 0) lines.push(`[cut: ${cut.join('; ')}]`);
  return lines.join('\n');
}

/** A reason as text: why the task waits, and the remedy. */
export function reasonText({ text, fix }: WaitingReason): string {
  return fix === null ? text : `${text} (${fix})`;
}
