import { Command } from 'commander';
import type { Snapshot } from '../../ops/snapshot.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import type { Output } from '../output.ts';
import { printNodes } from './node.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('the mesh on one screen: problems, nodes, pools')
    .addHelpText('after', example('clawmesh status', 'clawmesh status --json'))
    .action(status);
}

async function status(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const { takeSnapshot } = await import('../../ops/snapshot.ts');
  await withMesh(command, async (mesh) => {
    const { snapshot, nodes } = await takeSnapshot(mesh);
    if (out.json) return out.document(snapshot);
    const { up, gated, draining, dead } = snapshot.nodes;
    const counts = [`${up} up`, gated && `${gated} gated`, draining && `${draining} draining`, dead && `${dead} dead`];
    out.line(
      `mesh ${out.style('bold', snapshot.mesh)} · nodes: ${counts.filter(Boolean).join(', ')} · Redis ${snapshot.redis.latencyMs} ms`,
    );
    printProblems(out, snapshot);
    if (nodes.length > 0) {
      out.line();
      printNodes(out, nodes);
    }
    printPools(out, snapshot);
    const { tasks, total, cost } = snapshot.usageToday;
    if (tasks > 0) {
      const money = cost === null ? '' : `, cost ${cost.toFixed(2)}`;
      out.line(`\ntoday ${tasks} completed tasks have used ${total} tokens${money}; see clawmesh task list --usage`);
    }
  });
}

function printProblems(out: Output, { problems }: Snapshot): void {
  if (problems.length === 0) return;
  out.line();
  for (const { severity, what, fix } of problems) {
    const mark = severity === 'error' ? out.style('red', '✗') : out.style('yellow', '!');
    out.line(`${mark} ${what}\n  ${out.style('dim', `→ ${fix}`)}`);
  }
}

function printPools(out: Output, { pools }: Snapshot): void {
  const rows = Object.entries(pools).map(([pool, counts]) => [
    counts.paused ? `${pool} (paused)` : pool,
    ...[counts.waiting, counts.active, counts.delayed, counts.completed, counts.failed, counts.cancelled].map(String),
  ]);
  if (rows.length === 0) {
    out.note('\nnothing was ever queued; try: clawmesh enqueue "hello" --wait');
    return;
  }
  out.line();
  out.table(['POOL', 'WAITING', 'ACTIVE', 'DELAYED', 'COMPLETED', 'FAILED', 'CANCELLED'], rows);
}
