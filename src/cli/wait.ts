import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import { ClawmeshError, hasCode } from '../domain/errors.ts';
import { shellWord } from '../domain/shell.ts';
import type { Task } from '../domain/task.ts';
import { humanDuration } from '../domain/units.ts';
import { outputOf, suggestion, tellOfOutages } from './context.ts';
import { oneLine } from './output.ts';
import { WaitingReasons } from './waiting-reasons.ts';

/** Maximum number of ids in a hint; a file of tasks may have a million. */
const MAX_HINTED = 10;

/**
 * Waits until all tasks have ended, with a live line on a terminal's stderr. Reports why tasks wait, if an operator can
 * change that. Redis may be away in the meantime.
 *
 * @throws ClawmeshError as {@link Mesh.wait}, and `interrupted` by Ctrl-C; if Redis or the user ends the wait, the
 *   remedy includes how to resume it.
 */
export async function waitVisibly(
  mesh: Mesh,
  command: Command,
  ids: readonly string[],
  options: { timeoutMs?: number | undefined } = {},
): Promise<Task[]> {
  const out = outputOf(command);
  const line = new LiveLine(out.showsProgress);
  // The live line shows the reason itself.
  const reasons = new WaitingReasons(mesh, line.enabled ? undefined : (text) => out.note(text));
  const continues = `${ids.length === 1 ? 'the task continues' : 'the tasks continue'}; to wait again: ${waitCommand(command, ids)}`;
  const outages = tellOfOutages(out, continues);
  const interrupt = Promise.withResolvers<never>();
  const onInterrupt = () => {
    const remedy = `${continues}; to look at it: ${suggestion(command, `task show ${ids[0] ?? ''}`)}`;
    interrupt.reject(new ClawmeshError('interrupted', 'stopped waiting', { remedy }));
  };
  // A second Ctrl-C ends the process at once.
  process.once('SIGINT', onInterrupt);
  try {
    const ended = mesh.wait(ids, {
      timeoutMs: options.timeoutMs,
      onProgress: (running, elapsedMs) =>
        line.show(describeProgress(running, ids.length, elapsedMs, reasons.of(running, elapsedMs))),
      onOutage: (why) => {
        line.clear();
        outages.onOutage(why);
      },
      onBack: outages.onBack,
    });
    ended.catch(() => {}); // also after an interrupt, when the connection closes
    return await Promise.race([ended, interrupt.promise]);
  } catch (error) {
    if (hasCode(error, 'timeout')) {
      const why = await reasons.atLast(ids).catch(() => undefined);
      if (why === undefined) throw error;
      throw new ClawmeshError('timeout', `${error.message}: ${why}`, { remedy: error.remedy ?? '', cause: error });
    }
    if (!hasCode(error, 'redis')) throw error;
    const remedy = [error.remedy, continues].filter(Boolean).join('; ');
    throw new ClawmeshError('redis', error.message, { remedy, cause: error });
  } finally {
    process.off('SIGINT', onInterrupt);
    line.clear();
  }
}

function waitCommand(command: Command, ids: readonly string[]): string {
  const more = ids.length > MAX_HINTED ? ' …' : '';
  return suggestion(command, `task wait ${ids.slice(0, MAX_HINTED).map(shellWord).join(' ')}${more}`);
}

function describeProgress(
  running: readonly Task[],
  total: number,
  elapsedMs: number,
  reason: string | undefined,
): string {
  const elapsed = humanDuration(elapsedMs);
  const [task] = running;
  if (total > 1 || !task) {
    const waiting = running.filter(({ state }) => state !== 'active').length;
    const why = reason === undefined ? '' : ` · ${waiting} waiting: ${reason}`;
    return `${total - running.length} of ${total} ended · ${elapsed}${why}`;
  }
  const where = task.state === 'active' ? `running on ${task.node}` : task.state;
  const { note, tokens } = task.progress ?? {};
  return [where, elapsed, reason, tokens ? `${tokens} tokens` : undefined, note].filter(Boolean).join(' · ');
}

/** One line on a terminal's stderr that is overwritten each time. */
class LiveLine {
  readonly enabled: boolean;

  constructor(enabled: boolean) {
    this.enabled = enabled;
  }

  show(text: string): void {
    if (this.enabled) process.stderr.write(`\r\u001b[2K${oneLine(text, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.enabled) process.stderr.write('\r\u001b[2K');
  }
}
