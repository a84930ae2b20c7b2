import type { Mesh } from '../client/mesh.ts';
import type { Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import { oneLine } from './output.ts';

/** Waits until all tasks have ended, with a live line on a terminal's stderr. */
export async function waitVisibly(
  mesh: Mesh,
  ids: readonly string[],
  options: { timeoutMs?: number | undefined; live: boolean },
): Promise<Task[]> {
  const line = new LiveLine(options.live);
  try {
    return await mesh.wait(ids, {
      timeoutMs: options.timeoutMs,
      onProgress: (running, elapsedMs) => line.show(describeProgress(running, ids.length, elapsedMs)),
    });
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
