import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Handover } from '../../domain/handover.ts';
import { humanDuration } from '../../domain/units.ts';
import type { HandoverFilter } from '../../queue/handover-log.ts';
import { outputOf, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption, numberOption } from '../options.ts';
import type { Output } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';
import { endWithReader } from '../streams.ts';
import { idColumn } from '../table.ts';
import { TASK_ID_HINT, taskId } from '../task-ids.ts';

const FOLLOW_POLL_MS = 500;

interface HandoverOptions {
  task?: string;
  node?: string;
  since?: number;
  limit: number;
  follow?: boolean;
}

export function handoversCommand(): Command {
  return addOutputOptions(new Command('handovers'))
    .description('list handovers of tasks from one node to another, newest first')
    .option('--task <id>', `only handovers of this task (${TASK_ID_HINT})`)
    .option('--node <id>', 'only handovers from or to this node')
    .option('--since <duration>', 'only handovers from the last <duration>', durationOption)
    .option('--limit <n>', 'maximum number to show', numberOption(1, 10_000), 20)
    .option('-f, --follow', 'keep printing handovers as they complete; with --json, one document per line')
    .addHelpText('after', example('clawmesh handovers --since 1h', 'clawmesh handovers --node mac-1 --json'))
    .action(handovers);
}

async function handovers(options: HandoverOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  if (options.follow) endWithReader();
  const print = async (mesh: Mesh) => {
    const filter = await handoverFilter(mesh, options);
    const list = await mesh.handovers(filter);
    // A forgotten node and a removed task may have handovers; an unknown one is a typo.
    if (list.length === 0) await checkFilter(mesh, filter);
    if (options.follow) await follow(mesh, out, filter);
    else if (out.json) out.document<'handovers'>({ handovers: list }, 'handovers');
    else if (list.length === 0) out.note('no handovers');
    else {
      out.table(['AT', idColumn('TASK'), 'FROM', 'TO', 'REASON', 'RAN', 'SILENT', 'TAKEOVER'], list.map(row));
      if (list.length === options.limit) out.note('there may be older handovers; see --limit');
    }
  };
  await withMesh(command, print, { waits: options.follow });
}

async function handoverFilter(mesh: Mesh, { task, node, since, limit }: HandoverOptions): Promise<HandoverFilter> {
  return {
    taskId: task === undefined ? undefined : await taskId(mesh, task),
    nodeId: node,
    sinceMs: since,
    limit,
  };
}

async function checkFilter(mesh: Mesh, { taskId: id, nodeId }: HandoverFilter): Promise<void> {
  if (nodeId !== undefined) await mesh.task.checkNode(nodeId);
  if (id !== undefined) await mesh.task.existing(id);
}

async function follow(mesh: Mesh, out: Output, filter: Partial<HandoverFilter>): Promise<never> {
  const print = (handover: Handover) =>
    out.json ? out.jsonLine<'handovers --follow'>(handover) : out.row(row(handover));
  const printed = new Set<string>();
  for (;;) {
    const fresh = await mesh.throughOutages(() => mesh.handovers(filter), tellOfOutages(out));
    // A handover is printed once it is complete; until then a later read may return more.
    const complete = fresh.filter((entry) => entry.to !== null && !printed.has(entry.at + entry.taskId));
    for (const entry of complete.reverse()) {
      printed.add(entry.at + entry.taskId);
      print(entry);
    }
    await sleep(FOLLOW_POLL_MS);
  }
}

function row(handover: Handover): string[] {
  return [
    handover.at,
    handover.taskId,
    handover.from,
    handover.to ?? '-',
    handover.reason + (handover.sessionRestarted ? ', new session' : ''),
    humanDuration(handover.ranMs),
    humanDuration(handover.silentMs),
    handover.takeoverMs === null ? '-' : humanDuration(handover.takeoverMs),
  ];
}
