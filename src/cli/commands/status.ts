import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { counted } from '../../domain/counted.ts';
import type { Node } from '../../domain/node.ts';
import { TASK_STATES } from '../../domain/task-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { MARKS } from '../../ops/problems.ts';
import type { Snapshot } from '../../ops/snapshot.ts';
import { systemClock } from '../../platform/clock.ts';
import { outputOf, suggestion, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { ago, type Output, oneLine } from '../output.ts';
import { addFieldsOption } from '../output-options.ts';
import { endWithReader } from '../streams.ts';
import { idColumn } from '../table.ts';
import { addWebOption, openPage } from '../web.ts';
import { printNodes } from './node.ts';

const WATCH_MS = 2_000;
const PROBLEM_STYLES = { error: 'red', warning: 'yellow', notice: 'dim' } as const;
const CLEAR = '\u001b[2J\u001b[H';

export function statusCommand(): Command {
  return addWebOption(addFieldsOption(new Command('status'), 'redis.ok,problems.what'))
    .description('show the mesh on one screen: problems, nodes, pools, running tasks, handovers')
    .option('-w, --watch', 'refresh every 2 seconds; with --json, one document per line')
    .addHelpText(
      'after',
      example('clawmesh status', 'clawmesh status --watch', 'clawmesh status --fields redis.ok,problems.what'),
    )
    .action(status);
}

async function status({ watch, web }: { watch?: boolean; web?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  if (web) return openPage(command, '/');
  const { takeSnapshot } = await import('../../ops/snapshot.ts');
  if (!watch) {
    await withMesh(command, async (mesh) => show(await takeSnapshot(mesh, systemClock), out, false, command));
    return;
  }
  endWithReader();
  const outages = tellOfOutages(out);
  const again = async (mesh: Mesh) => {
    for (;;) {
      show(await mesh.throughOutages(() => takeSnapshot(mesh, systemClock), outages), out, true, command);
      await sleep(WATCH_MS);
    }
  };
  await withMesh(command, again, { waits: true });
}

function show(
  { snapshot, nodes }: { snapshot: Snapshot; nodes: readonly Node[] },
  out: Output,
  watch: boolean,
  command: Command,
): void {
  if (out.json) {
    if (watch) out.jsonLine<'status --watch'>(snapshot);
    else out.document<'status'>(snapshot);
    return;
  }
  if (watch && process.stdout.isTTY) out.raw(CLEAR);
  const { up, gated, paused, draining, dead } = snapshot.nodes;
  const counts = [
    `${up} up`,
    gated && `${gated} gated`,
    paused && `${paused} paused`,
    draining && `${draining} draining`,
    dead && `${dead} dead`,
  ];
  out.line(
    `mesh ${out.style('bold', snapshot.mesh)} · nodes: ${counts.filter(Boolean).join(', ')} · Redis ${snapshot.redis.latencyMs} ms`,
  );
  printProblems(out, snapshot);
  if (nodes.length > 0) {
    out.line();
    printNodes(out, nodes);
  }
  printPools(out, snapshot);
  printFirstSteps(out, snapshot, command);
  printRunning(out, snapshot);
  printHandovers(out, snapshot);
  const { tasks, total, cost } = snapshot.usageToday;
  if (tasks > 0) {
    const money = cost === null ? '' : `, cost ${cost.toFixed(2)}`;
    out.line();
    out.line(
      `today (UTC), ${counted(tasks, 'completed task')} used ${counted(total, 'token')}${money}; see clawmesh task list --usage`,
    );
  }
}

function printProblems(out: Output, { problems }: Snapshot): void {
  if (problems.length === 0) return;
  out.line();
  for (const { severity, what, fix } of problems) {
    out.line(`${out.style(PROBLEM_STYLES[severity], MARKS[severity])} ${what}`);
    out.line(`  ${out.style('dim', `→ ${fix}`)}`);
  }
}

function printPools(out: Output, { pools, oldestWaiting }: Snapshot): void {
  const rows = Object.entries(pools).map(([pool, counts]) => [
    counts.paused ? `${pool} (paused)` : pool,
    ...[counts.waiting, counts.active, counts.delayed, counts.completed, counts.failed, counts.cancelled].map(String),
  ]);
  if (rows.length === 0) return;
  out.line();
  out.table(['POOL', 'WAITING', 'ACTIVE', 'DELAYED', 'COMPLETED', 'FAILED', 'CANCELLED'], rows);
  if (oldestWaiting) {
    const { id, pool, waitingMs } = oldestWaiting;
    out.line(`the oldest waiting task is ${id} in pool ${pool}, queued ${humanDuration(waitingMs)} ago`);
  }
}

/** The first steps in an unused mesh; suggests no command that would wait for a missing node. */
function printFirstSteps(out: Output, { pools, nodes }: Snapshot, command: Command): void {
  const isUnused = Object.values(pools).every((counts) => TASK_STATES.every((state) => counts[state] === 0));
  if (!isUnused) return;
  const start = nodes.up + nodes.gated + nodes.paused + nodes.draining === 0;
  if (start) out.note(`\nno node is up; start one on each Mac: ${suggestion(command, 'node run')}`);
  const enqueue = suggestion(command, 'enqueue "hello" --wait');
  out.note(start ? `then, in another shell: ${enqueue}` : `\nno tasks yet; try: ${enqueue}`);
}

function printRunning(out: Output, { running, moreRunning }: Snapshot): void {
  if (running.length === 0) return;
  out.line();
  out.table(
    [idColumn('RUNNING'), 'NODE', 'POOL', 'FOR', 'ATTEMPT', 'TOKENS', 'MESSAGE'],
    running.map(({ id, node, pool, elapsedMs, attempt, tokens, message }) => [
      id,
      node ?? '-',
      pool,
      humanDuration(elapsedMs),
      String(attempt),
      tokens === null ? '-' : String(tokens),
      oneLine(message),
    ]),
  );
  if (moreRunning > 0) {
    out.line(
      `${moreRunning} more; see clawmesh task list --state active --limit ${atMost(moreRunning + running.length)}`,
    );
  }
}

/** Caps a count at the maximum of `--limit`. */
function atMost(count: number): number {
  return Math.min(count, 10_000);
}

function printHandovers(out: Output, { handovers }: Snapshot): void {
  if (handovers.length === 0) return;
  out.line();
  out.table(
    ['HANDOVER', idColumn('TASK'), 'FROM', 'TO', 'REASON', 'TAKEOVER'],
    handovers.map(({ at, taskId, from, to, reason, takeoverMs }) => [
      ago(at),
      taskId,
      from,
      to ?? '-',
      reason,
      takeoverMs === null ? '-' : humanDuration(takeoverMs),
    ]),
  );
}
