import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../src/domain/task.ts';
import { emptyFolder } from './cli.ts';

/** One line of the ledger: a run began or ended, seen by the run itself. */
export interface LedgerLine {
  readonly event: 'start' | 'end';
  readonly taskId: string;
  readonly attempt: number;
  readonly handovers: number;
  readonly node: string;
  readonly pid: number;
  /** Wall clock of this machine, ms. */
  readonly at: number;
}

/**
 * A stand-in for openclaw that keeps a ledger of its runs outside Redis. The message tells how long it takes, in seconds,
 * and with `poison` it takes its daemon down.
 */
export class Ledger {
  readonly bin: string;
  readonly #file: string;

  constructor() {
    const folder = emptyFolder();
    this.#file = join(folder, 'ledger');
    this.bin = join(folder, 'openclaw');
    writeFileSync(
      this.bin,
      `#!/bin/sh
[ "$1" = --version ] && { echo "OpenClaw 2026.9.6 (test)"; exit 0; }
note() { echo "$1 $CLAWMESH_TASK_ID $CLAWMESH_ATTEMPT $CLAWMESH_HANDOVERS $CLAWMESH_NODE_ID $$ $(date +%s%3N)" >> '${this.#file}'; }
message=$(cat)
note start
echo 'a line for the log' >&2
case "$message" in
  poison) kill -9 $PPID ;;
  *) sleep "$message" ;;
esac
note end
echo '{"ok":true,"final":"done"}'
`,
    );
    chmodSync(this.bin, 0o755);
  }

  lines(): LedgerLine[] {
    if (!existsSync(this.#file)) return [];
    return readFileSync(this.#file, 'utf8')
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [event, taskId, attempt, handovers, node, pid, at] = line.split(' ') as string[];
        return {
          event: event as LedgerLine['event'],
          taskId: taskId ?? '',
          attempt: Number(attempt),
          handovers: Number(handovers),
          node: node ?? '',
          pid: Number(pid),
          at: Number(at),
        };
      });
  }

  starts(taskId?: string): LedgerLine[] {
    return this.lines().filter((line) => line.event === 'start' && (!taskId || line.taskId === taskId));
  }
}

/** What is wrong with these tasks, seen from ledger and history: the promises of DESIGN.md that can be read off them. */
export function brokenPromises(tasks: readonly Task[], ledger: Ledger): string[] {
  const broken: string[] = [];
  const startsOf = Map.groupBy(ledger.starts(), (line) => line.taskId);
  for (const task of tasks) {
    const events = task.history.map((entry) => entry.event);
    const count = (event: string) => events.filter((candidate) => candidate === event).length;
    const starts = startsOf.get(task.id)?.length ?? 0;
    // A claim whose node died before the run began is on record, but never started.
    const claims = count('claimed');
    if (claims !== 1 + count('handover') + count('retry'))
      broken.push(`${task.id}: ${claims} claims, history ${events}`);
    if (starts > claims) broken.push(`${task.id}: ${starts} starts for ${claims} claims`);
    if (task.handovers !== count('handover')) broken.push(`${task.id}: ${task.handovers} handovers, history ${events}`);
    if (count('completed') + count('failed') !== 1)
      broken.push(`${task.id}: ended ${count('completed') + count('failed')} times`);
    if (task.state === 'completed' && starts === 0) broken.push(`${task.id}: completed without a start`);
  }
  return broken;
}
