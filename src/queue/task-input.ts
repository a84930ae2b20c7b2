import type { NewTask } from '../domain/task.ts';
import { formatDuration } from '../domain/units.ts';
import type { StoredSpec } from './bullmq/task-fields.ts';
import { parseNewTask, type TaskInput, withDefaults } from './new-task.ts';

/** Fields to change in the input of a task; the others stay. Tags are added. */
export type TaskChange = Readonly<Partial<TaskInput>>;

/**
 * The input that creates such a task again. It leaves out what belongs to the first task alone: its idempotency key,
 * its delay, and the tasks that it came after.
 */
export function inputOf(spec: StoredSpec, { pool, priority }: { pool: string; priority: number }): TaskInput {
  const { v: _v, sig: _sig, probe: _probe, key: _key, after: _after, tags, ...rest } = spec;
  const { timeoutMs, idleTimeoutMs, backoffMs, ...names } = rest;
  const duration = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms));
  const input: TaskInput = {
    ...names,
    pool,
    priority: priority > 0 ? priority : undefined,
    timeout: duration(timeoutMs),
    idleTimeout: duration(idleTimeoutMs),
    backoff: duration(backoffMs),
    tags: Object.keys(tags).length > 0 ? tags : undefined,
  };
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as TaskInput;
}

/** The input after the change, not checked yet. */
export function changedInput({ message, ...fields }: TaskInput, change: TaskChange): unknown {
  return withDefaults({ message, ...change }, fields);
}

/** The task of this input after the change, or every problem found. */
export function changedTask(input: TaskInput, change: TaskChange): NewTask | { problems: string[] } {
  return parseNewTask(changedInput(input, change), { attempts: input.attempts ?? 1 });
}
