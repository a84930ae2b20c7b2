import { setTimeout as sleep } from 'node:timers/promises';
import { ClawmeshError } from '../domain/errors.ts';
import { isEnded, type Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import type { TaskReader } from '../queue/task-reader.ts';
import { oneLine } from './output.ts';

/** Tasks take seconds to an hour; a quarter second more is not noticed, ms. */
const POLL_MS = 250;

export interface WaitOptions {
  readonly reader: TaskReader;
  readonly ids: readonly string[];
  /** Give up after this long, ms. */
  readonly timeoutMs?: number | undefined;
  /** Show a live line on stderr. */
  readonly live: boolean;
}

/**
 * Waits until all tasks have ended.
 *
 * @throws ClawmeshError `not-found` where a task is gone (kept no longer), `timeout` with the tasks still going on.
 */
export async function waitForTasks({ reader, ids, timeoutMs, live }: WaitOptions): Promise<Task[]> {
  const startedAt = performance.now();
  const ended = new Map<string, Task>();
  const line = new LiveLine(live);
  try {
    for (;;) {
      const open = ids.filter((id) => !ended.has(id));
      const running: Task[] = [];
      for (const id of open) {
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
      line.show(describeProgress(running, ids.length, elapsedMs));
      await sleep(Math.min(POLL_MS, Math.max(0, (timeoutMs ?? Number.POSITIVE_INFINITY) - elapsedMs)));
    }
  } finally {
    line.clear();
  }
}

function describeProgress(running: readonly Task[], total: number, elapsedMs: number): string {
  const elapsed = humanDuration(elapsedMs);
  const [task] = running;
  if (total > 1 || !task) return `${total - running.length} of ${total} ended · ${elapsed}`;
  const where = task.state === 'active' ? `running on ${task.node}` : task.state;
  const { note, tokens } = task.progress ?? {};
  return [where, elapsed, tokens ? `${tokens} tokens` : undefined, note].filter(Boolean).join(' · ');
}

/** One line on a terminal's stderr that is written over and over. */
class LiveLine {
  readonly #enabled: boolean;

  constructor(enabled: boolean) {
    this.#enabled = enabled && Boolean(process.stderr.isTTY);
  }

  show(text: string): void {
    if (this.#enabled) process.stderr.write(`\r\u001b[2K${oneLine(text, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.#enabled) process.stderr.write('\r\u001b[2K');
  }
}
