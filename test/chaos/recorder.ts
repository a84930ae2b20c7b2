import * as z from 'zod';
import type { HistoryLine } from '../model/history.ts';
import type { CliProcess } from '../support/cli.ts';
import type { LedgerLine } from '../support/ledger.ts';
import { sharedClock } from '../support/shared-clock.ts';

/** What a daemon's log tells of its incarnations. */
const logLine = z.object({
  incarnation: z.number(),
  msg: z.string(),
  taskId: z.string().optional(),
  attempt: z.number().optional(),
  handovers: z.number().optional(),
});

/** Writes down what happens, as one history. */
export class Recorder {
  readonly lines: HistoryLine[] = [];
  /** Incarnations that claimed, as a daemon has said, by {@link claimName}; null if there were several. */
  readonly #claimedBy = new Map<string, number | null>();

  /** Does something, and tells from when to when that took. */
  async timed<T>(action: () => Promise<T>): Promise<{ result: T; called: number; answered: number }> {
    const called = sharedClock().earliest;
    const result = await action();
    return { result, called, answered: sharedClock().latest };
  }

  /** Does something to the mesh that explains nothing by itself. */
  async fault(what: string, action: () => Promise<void>): Promise<void> {
    const { called, answered } = await this.timed(action);
    this.lines.push({ kind: 'fault', what, called, answered });
  }

  /** Follows the log of a daemon that was just started. */
  follow(node: string, { child, pid }: CliProcess): void {
    let called = sharedClock().earliest;
    let current: number | undefined;
    let rest = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      const { latest: answered } = sharedClock();
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) {
        const line = readLog(text);
        if (!line) continue;
        const { incarnation, msg, taskId, attempt, handovers } = line;
        if (incarnation !== current) {
          this.lines.push({ kind: 'up', node, incarnation, called, answered });
          // The next one comes after this one, however late its log is read.
          called = answered;
          current = incarnation;
        }
        if (msg !== 'task claimed' || taskId === undefined) continue;
        const name = claimName({ daemon: pid, taskId, attempt: attempt ?? 0, handovers: handovers ?? 0 });
        const before = this.#claimedBy.get(name);
        this.#claimedBy.set(name, before === undefined || before === incarnation ? incarnation : null);
      }
    });
  }

  /** Which incarnation of its node began a run, if that is known. */
  incarnationOf(run: LedgerLine): number | null {
    return this.#claimedBy.get(claimName(run)) ?? null;
  }
}

function claimName(run: Pick<LedgerLine, 'daemon' | 'taskId' | 'attempt' | 'handovers'>): string {
  return [run.daemon, run.taskId, run.attempt, run.handovers].join(' ');
}

function readLog(text: string): z.infer<typeof logLine> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return logLine.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
