import type { Redis } from 'ioredis';
import type { TaskRef } from '../../domain/task.ts';
import { formatDuration } from '../../domain/units.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import type { TaskInput } from '../new-task.ts';
import { readField, storedSpec } from './task-fields.ts';

/**
 * The input that queues the work of a stored task once more. Undefined if the task is gone, or another program queued
 * it in another format.
 *
 * Left out are the idempotency key, which would return the original task, the delay, and the tasks that it came after.
 */
export async function readTaskInput(
  redis: Redis,
  keys: MeshKeys,
  { id, pool }: TaskRef,
): Promise<TaskInput | undefined> {
  const [data, priority] = await redis.hmget(keys.task(pool, id), 'data', 'priority');
  const spec = readField(storedSpec, data);
  if (!spec) return undefined;
  const { message, agent, session, model, thinking, node, nodeFallback, require, tags, attempts } = spec;
  const duration = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms));
  const input: TaskInput = {
    message,
    pool,
    agent,
    session,
    model,
    thinking,
    node,
    nodeFallback,
    require,
    priority: Number(priority) || undefined,
    attempts,
    timeout: duration(spec.timeoutMs),
    idleTimeout: duration(spec.idleTimeoutMs),
    backoff: duration(spec.backoffMs),
    tags,
  };
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as TaskInput;
}
