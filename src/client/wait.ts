import { setTimeout as sleep } from 'node:timers/promises';
import { ClawmeshError } from '../domain/errors.ts';
import { isEnded, type Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { TaskReader } from '../queue/task-reader.ts';

/** Tasks take seconds to an hour; a quarter second more is not noticed, ms. */
const POLL_MS = 250;

export interface WaitOptions {
  readonly reader: TaskReader;
  readonly ids: readonly string[];
  /** Give up after this long, ms. */
  readonly timeoutMs?: number | undefined;
  /** Called now and then with the tasks that have not ended, and the time waited (ms). */
  readonly onProgress?: ((running: readonly Task[], elapsedMs: number) => void) | undefined;
}

/**
 * Waits until all tasks have ended.
 *
 * @throws ClawmeshError `not-found` where a task is gone (kept no longer), `timeout` with the tasks still going on.
 */
export async function waitForTasks({ reader, ids, timeoutMs, onProgress }: WaitOptions): Promise<Task[]> {
  const startedAt = performance.now();
  const ended = new Map<string, Task>();
  for (;;) {
    const running: Task[] = [];
    for (const id of ids.filter((candidate) => !ended.has(candidate))) {
      const task = await reader.get(id);
      if (!task) throw new ClawmeshError('not-found', `no task ${id} (any more)`);
      if (isEnded(task.state)) ended.set(id, task);
      else running.push(task);
    }
    if (running.length === 0) return ids.map((id) => ended.get(id) as Task);
    const elapsedMs = performance.now() - startedAt;
    if (timeoutMs !== undefined && elapsedMs >= timeoutMs) {
      const states = running.map((task) => `${task.id} is ${task.state}`).slice(0, 3);
      throw new ClawmeshError('timeout', `not ended after ${humanDuration(timeoutMs)}: ${states.join(', ')}`, {
        remedy: 'the tasks go on; see clawmesh task show',
      });
    }
    onProgress?.(running, elapsedMs);
    await sleep(Math.min(POLL_MS, Math.max(0, (timeoutMs ?? Number.POSITIVE_INFINITY) - elapsedMs)));
  }
}
