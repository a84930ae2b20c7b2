import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder } from './folders.ts';
import { READ_CLOCK } from './shared-clock.ts';

/** One line of the ledger: a run began or ended, seen by the run itself. */
export interface LedgerLine {
  /** `end`: with an answer; `fail`: another attempt may end better; `refuse`: none would. */
  readonly event: 'start' | 'end' | 'fail' | 'refuse';
  readonly taskId: string;
  readonly attempt: number;
  readonly handovers: number;
  readonly node: string;
  readonly pid: number;
  /** On the shared clock, ms; for histories, never for an assertion. */
  readonly at: number;
  /** Names the run among all that ever are; it is the run id of its answer. */
  readonly run: string;
  /** The process of its daemon. */
  readonly daemon: number;
}

/**
 * A stand-in for openclaw that keeps a ledger of its runs outside Redis. The message tells how long it takes, in seconds;
 * `hold` runs until {@link Ledger.release}, and `poison` takes its daemon down. `fail 2 0.1` fails after 0.1 seconds up to its
 * second attempt, so that another one is worth it; of `refuse 2 0.1` none is.
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
note() {
  ${READ_CLOCK}
  run=\${run:-$$-$now}
  echo "$1 $CLAWMESH_TASK_ID $CLAWMESH_ATTEMPT $CLAWMESH_HANDOVERS $CLAWMESH_NODE_ID $$ $now $run \${CLAWMESH_RUN%%@*}" >> '${this.#file}'
}
message=$(cat)
note start
echo 'a line for the log' >&2
case "$message" in
  poison) kill -9 $PPID; sleep 60 ;;
  hold) while [ ! -e '${this.#released}' ]; do sleep 0.1; done ;;
  'fail '* | 'refuse '*)
    set -- $message
    sleep "$3"
    if [ "$CLAWMESH_ATTEMPT" -le "$2" ]; then
      note "$1"
      [ "$1" = fail ] && status=408 || status=400
      echo '{"ok":false,"error":{"message":"HTTP '$status': as it was told to"}}'
      exit 1
    fi ;;
  *) sleep "$message" ;;
esac
note end
echo '{"ok":true,"final":"done","sessionId":"'"$run"'"}'
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
        const [event, taskId, attempt, handovers, node, pid, at, run, daemon] = line.split(' ') as string[];
        return {
          event: event as LedgerLine['event'],
          taskId: taskId ?? '',
          attempt: Number(attempt),
          handovers: Number(handovers),
          node: node ?? '',
          pid: Number(pid),
          at: Number(at),
          run: run ?? '',
          daemon: Number(daemon),
        };
      });
  }

  /** In the order in which they began. */
  starts(taskId?: string): LedgerLine[] {
    return this.#of('start', taskId);
  }

  /** Runs that came to an answer; one that was stopped has none. */
  ends(taskId?: string): LedgerLine[] {
    return this.#of('end', taskId);
  }

  #of(event: LedgerLine['event'], taskId: string | undefined): LedgerLine[] {
    return this.lines().filter((line) => line.event === event && (!taskId || line.taskId === taskId));
  }
}
