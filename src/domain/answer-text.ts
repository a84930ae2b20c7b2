import { cutText } from './cut-text.ts';
import type { TaskError, TaskResult } from './task.ts';

/** Longest answer that is sent into a chat, characters; channels split long messages themselves. */
export const MAX_ANSWER_LENGTH = 16_000;

/** The end of a task, as a message to the person who asked for it. */
export function answerText(end: {
  readonly taskId: string;
  readonly result: Pick<TaskResult, 'text'> | null;
  readonly error: Pick<TaskError, 'kind' | 'message'> | null;
}): string {
  const { taskId, result, error } = end;
  if (error?.kind === 'cancelled') return cut(`Task ${taskId} was cancelled: ${error.message}`, taskId);
  if (error) return cut(`Task ${taskId} failed: ${error.message}`, taskId);
  const text = result?.text.trim() ?? '';
  return text === '' ? `Task ${taskId} completed without an answer.` : cut(text, taskId);
}

function cut(text: string, taskId: string): string {
  if (text.length <= MAX_ANSWER_LENGTH) return text;
  const note = `\n… (the answer is longer: clawmesh task show ${taskId})`;
  return cutText(text, MAX_ANSWER_LENGTH - note.length) + note;
}
