import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../src/domain/task.ts';
import { emptyFolder } from './folders.ts';

/** One line of the ledger: a run began or ended, seen by the run itself. */
export interface LedgerLine {
  readonly event: 'start' | 'end';
  readonly taskId: string;
  readonly attempt: number;
  readonly handovers: number;
  readonly node: string;
  readonly pid: number;
  /** Wall clock, ms; only for the report of `npm run chaos`. */
  readonly at: number;
}

/**
 * A stand-in for openclaw that keeps a ledger of its runs outside Redis. The message tells how long it takes, in seconds;
 * `hold` runs until {@link Ledger.release}, and `poison` takes its daemon down.
 */
export class Ledger {
  readonly bin: string;
  readonly #file: string;
  readonly #released: string;

  constructor() {
    const folder = emptyFolder();
    this.#file = join(folder, 'ledger');
    this.#released = join(folder, 'released');
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
  poison) kill -9 $PPID; sleep 60 ;;
  hold) while [ ! -e '${this.#released}' ]; do sleep 0.1; done ;;
  *) sleep "$message" ;;
esac
note end
echo '{"ok":true,"final":"done"}'
`,
    );
    chmodSync(this.bin, 0o755);
  }

  /** The section `openclaw` of a config whose nodes run it. */
  get asOpenclaw(): string {
    return `mode: exec, exec: {bin: "${this.bin}"}`;
  }

  /** Lets all runs of `hold` end, those to come included. */
  release(): void {
    writeFileSync(this.#released, '');
  }

  /** Lets new runs of `hold` hold again. */
  hold(): void {
    rmSync(this.#released, { force: true });
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

  /** In the order in which they began. */
  starts(taskId?: string): LedgerLine[] {
    return this.#of('start', taskId);
  }

  /** Runs that came to their own end; one that was stopped has none. */
  ends(taskId?: string): LedgerLine[] {
    return this.#of('end', taskId);
  }

  #of(event: LedgerLine['event'], taskId: string | undefined): LedgerLine[] {
    return this.lines().filter((line) => line.event === event && (!taskId || line.taskId === taskId));
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
