import type { Clock } from '../domain/clock.ts';
import { listed } from '../domain/counted.ts';
import { ClawmeshError, hasCode, messageOf } from '../domain/errors.ts';
import { asTyped } from '../domain/not-found.ts';
import type { Task } from '../domain/task.ts';
import { isEnded } from '../domain/task-state.ts';
import { humanDuration } from '../domain/units.ts';

/** Tasks take seconds to an hour; a quarter second more makes no difference, ms. */
const POLL_MS = 250;

export interface WaitOptions {
  /** Reads a task; while Redis is away, waits until `until` (monotonic time, ms), and then throws `redis`. */
  readonly read: (id: string, until?: number) => Promise<Task | undefined>;
  readonly ids: readonly string[];
  readonly clock: Clock;
  /** Give up after this long, ms. */
  readonly timeoutMs?: number | undefined;
  /** Called from time to time with the tasks that have not ended, and the time waited (ms). */
  readonly onProgress?: ((running: readonly Task[], elapsedMs: number) => void) | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until all tasks have ended.
 *
 * @throws ClawmeshError `not-found` if a task does not exist or is no longer kept; `timeout` with the tasks that have
 * not ended. The reason of the signal, once it aborts.
 */
export async function waitForTasks({ read, ids, clock, timeoutMs, onProgress, signal }: WaitOptions): Promise<Task[]> {
  const startedAt = clock.monotonic();
  const until = timeoutMs === undefined ? undefined : startedAt + timeoutMs;
  const ended = new Map<string, Task>();
  const seen = new Set<string>();
  for (;;) {
    signal?.throwIfAborted();
    const running: Task[] = [];
    for (const id of ids.filter((candidate) => !ended.has(candidate))) {
      const task = await read(id, until).catch((error: unknown) => {
        if (until === undefined || clock.monotonic() < until || !hasCode(error, 'redis')) throw error;
        throw notEnded(timeoutMs, [`the state of ${id} is unknown: ${messageOf(error)}`], error);
      });
      if (!task) {
        const problem = seen.has(id) ? `task ${asTyped(id)} no longer exists` : `no task ${asTyped(id)}`;
        throw new ClawmeshError('not-found', problem, { remedy: 'see clawmesh task list' });
      }
      seen.add(id);
      if (isEnded(task.state)) ended.set(id, task);
      else running.push(task);
    }
    if (running.length === 0) return ids.map((id) => ended.get(id) as Task);
    const elapsedMs = clock.monotonic() - startedAt;
    if (timeoutMs !== undefined && elapsedMs >= timeoutMs) {
      throw notEnded(
        timeoutMs,
        running.map((task) => `${task.id} is ${task.state}`),
      );
    }
    onProgress?.(running, elapsedMs);
    await clock.sleep(Math.min(POLL_MS, Math.max(0, (timeoutMs ?? Number.POSITIVE_INFINITY) - elapsedMs)), signal);
  }
}

function notEnded(timeoutMs: number | undefined, states: readonly string[], cause?: unknown): ClawmeshError {
  const after = humanDuration(timeoutMs ?? 0);
  return new ClawmeshError('timeout', `not ended after ${after}: ${listed(states)}`, {
    remedy: 'the tasks continue; see clawmesh task show <id>',
    cause,
  });
}
