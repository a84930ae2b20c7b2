import type { Redis } from 'ioredis';
import { ClawmeshError } from '../../domain/errors.ts';
import { fillResults, quotedLength, wantedResults } from '../../domain/placeholders.ts';
import type { TaskSpec } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { readField, storedResult } from './task-fields.ts';

/** Maximum total length of the quoted results of a message, in characters; a message may quote a hundred tasks. */
const MAX_QUOTED = 16 * 1024 * 1024;

/**
 * The task's message with each `{{result:<id>}}` replaced by the result text of that task.
 *
 * @throws ClawmeshError `not-found` if there is no such result (any more), `usage` if the message would be too long.
 */
export async function renderMessage(redis: Redis, keys: MeshKeys, spec: TaskSpec): Promise<string> {
  const ids = wantedResults(spec.message);
  if (ids.length === 0) return spec.message;
  const results = new Map<string, string>();
  for (const id of ids) {
    const task = spec.after?.find((candidate) => candidate.id === id);
    const text = task && (await redis.hget(keys.task(task.pool, id), 'returnvalue'));
    const result = readField(storedResult, text);
    if (!result) throw new ClawmeshError('not-found', `{{result:${id}}}: this task has no result, or it was removed`);
    results.set(id, result.text);
  }
  // A message may quote one result many times, so compute the length before building the text.
  const length = quotedLength(spec.message, results);
  if (length > MAX_QUOTED) {
    throw new ClawmeshError('usage', `message: the quoted results have more than ${MAX_QUOTED} characters`);
  }
  return fillResults(spec.message, results);
}
