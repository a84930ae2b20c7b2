import type { WaitForTasksOptions } from '../../client/tasks.ts';
import { cutText } from '../../domain/cut-text.ts';
import type { Task } from '../../domain/task.ts';
import type { ToolCall } from './tool.ts';

/** Shortest interval between two reports of progress, ms. */
const REPORT_MS = 1_000;

/** Options of {@link Mesh.wait} with which a wait reports its progress to the client, and ends with the call. */
export function waitOptions(
  { signal, progress }: Pick<ToolCall, 'signal' | 'progress'>,
  total: number,
): Pick<WaitForTasksOptions, 'signal' | 'onProgress' | 'onOutage'> {
  let reportAtMs = 0;
  let lastMs = 0;
  return {
    signal,
    onProgress: (running, elapsedMs) => {
      lastMs = elapsedMs;
      if (elapsedMs < reportAtMs) return;
      reportAtMs = elapsedMs + REPORT_MS;
      progress(elapsedMs, describe(running, total));
    },
    // The value of a progress has to grow with each report.
    onOutage: (why) => progress(lastMs + 1, `${why}; waiting for Redis to come back (the tasks continue)`),
  };
}

function describe(running: readonly Task[], total: number): string {
  const [task] = running;
  if (total > 1 || !task) return `${total - running.length} of ${total} tasks have ended`;
  const { node, state, progress } = task;
  const tokens = progress?.tokens ? `${progress.tokens} tokens` : '';
  const note = cutText(progress?.note ?? '', 200);
  return [state === 'active' ? `running on ${node}` : state, tokens, note].filter((part) => part !== '').join(' · ');
}
