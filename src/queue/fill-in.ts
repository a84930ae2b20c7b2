import type { Redis } from 'ioredis';
import { ClawmeshError } from '../domain/errors.ts';
import { fillResults, wantedResults } from '../domain/placeholders.ts';
import type { TaskSpec } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { readField, storedResult } from './task-fields.ts';

/**
 * The task's message with `{{result:<id>}}` replaced by what that task answered.
 *
 * @throws ClawmeshError `not-found` where there is no such answer (any more).
 */
export async function fillIn(redis: Redis, keys: MeshKeys, spec: TaskSpec): Promise<string> {
  const ids = wantedResults(spec.message);
  if (ids.length === 0) return spec.message;
  const results = new Map<string, string>();
  for (const id of ids) {
    const task = spec.after?.find((candidate) => candidate.id === id);
    const text = task && (await redis.hget(keys.task(task.pool, id), 'returnvalue'));
    const result = readField(storedResult, text);
    if (!result) throw new ClawmeshError('not-found', `{{result:${id}}}: that task has no result (any more)`);
    results.set(id, result.text);
  }
  return fillResults(spec.message, results);
}
