import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { MeshEvent } from '../../registry/event-log.ts';
import { outputOf, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption, numberOption } from '../options.ts';
import { oneLine } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';
import { endWithReader } from '../streams.ts';

const FOLLOW_POLL_MS = 500;

interface EventOptions {
  node?: string;
  since?: number;
  limit: number;
  follow?: boolean;
}

export function eventsCommand(): Command {
  return addOutputOptions(new Command('events'))
    .description('list what happened in the mesh, oldest first: nodes, gates, circuits, dead letters')
    .option('--node <id>', 'only events of this node')
    .option('--since <duration>', 'only events from the last <duration>', durationOption)
    .option('--limit <n>', 'show at most the newest <n> events', numberOption(1, 10_000), 50)
    .option('-f, --follow', 'keep printing new events; with --json, one document per line')
    .addHelpText('after', example('clawmesh events --since 12h', 'clawmesh events -f --json'))
    .action(events);
}

async function events({ node, since, limit, follow }: EventOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  const outages = tellOfOutages(out);
  if (follow) endWithReader();
  const show = async (mesh: Mesh) => {
    const { events: log } = mesh;
    const list = await mesh.throughOutages(
      () => log.newest({ node, sinceMs: since, limit }),
      follow ? outages : { until: 0 },
    );
    if (list.length === 0 && node !== undefined) await mesh.task.checkNode(node);
    const print = (event: MeshEvent) => (out.json ? out.jsonLine<'events --follow'>(event) : out.row(row(event)));
    if (!follow) {
      if (out.json) out.document<'events'>({ events: list }, 'events');
      else if (list.length === 0) out.note('no events');
      else {
        out.table(['AT', 'EVENT', 'SUBJECT', 'REASON'], list.map(row));
        if (list.length === limit) out.note('there may be older events; see --limit');
      }
      return;
    }
    list.forEach(print);
    for (let last = list.at(-1)?.id ?? '0'; ; await sleep(FOLLOW_POLL_MS)) {
      const fresh = await mesh.throughOutages(() => log.after(last), outages);
      fresh.filter((event) => node === undefined || event.node === node).forEach(print);
      last = fresh.at(-1)?.id ?? last;
    }
  };
  await withMesh(command, show, { waits: follow });
}

function row({ at, event, node, gate, task, circuit, reason }: MeshEvent): string[] {
  return [at, event, [node ?? circuit ?? '-', gate ?? task ?? ''].join(' ').trim(), oneLine(reason ?? '')];
}
