import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { leaseMs } from '../../config/lease.ts';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import { humanDuration } from '../../domain/units.ts';
import { DRILL_KINDS, type DrillKind, type DrillReport } from '../../ops/drill.ts';
import { systemClock } from '../../platform/clock.ts';
import { ask } from '../ask.ts';
import { outputOf, tellOfOutages, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';
import type { Output } from '../output.ts';

export function drillCommand(): Command {
  const drill = new Command('drill')
    .description('rehearse failures on the real mesh')
    .addHelpText('after', example('clawmesh drill failover'));
  drill
    .command('failover')
    .description('take a node down for real and measure how soon its tasks run elsewhere; exit 1 if the drill fails')
    .option('--node <id>', 'node to take down (default: the one that runs the most probes)')
    .option('--kill <how>', `how the node goes down: ${DRILL_KINDS.join(', ')}`, choiceOption(DRILL_KINDS), 'crash')
    .option('--yes', 'do not ask for confirmation if tasks are running')
    .addHelpText(
      'after',
      example('clawmesh drill failover', 'clawmesh drill failover --node mac-2 --kill freeze --yes'),
    )
    .action(failover);
  return drill;
}

async function failover(options: { node?: string; kill: DrillKind; yes?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  const { drillFailover, drillFailures } = await import('../../ops/drill.ts');
  const outages = tellOfOutages(out, 'the drill continues');
  const rehearse = async (mesh: Mesh) => {
    if (!options.yes) await confirm(mesh);
    const report = await drillFailover(
      {
        node: mesh.node,
        task: mesh.task,
        server: mesh.server,
        throughOutages: (ask) => mesh.throughOutages(ask, outages),
      },
      {
        clock: systemClock,
        kind: options.kill,
        nodeId: options.node,
        crashGraceMs: mesh.config.health.crashGrace,
        leaseMs: leaseMs(mesh.config),
        onStep: (text) => out.note(text),
      },
    );
    if (out.json) out.document<'drill failover'>(report);
    else print(out, report, drillFailures(report));
    if (!report.ok) process.exitCode = 1;
  };
  await withMesh(command, rehearse, { waits: true });
}

/** A drill on an idle mesh does no harm; on a busy mesh it interrupts real runs. */
async function confirm(mesh: Mesh): Promise<void> {
  const counts = await mesh.pool.counts();
  const active = [...counts.values()].reduce((sum, pool) => sum + pool.active, 0);
  if (active === 0) return;
  const [are, them] = active === 1 ? ['is', 'it'] : ['are', 'them'];
  const problem = `${counted(active, 'task')} ${are} running, and the drill may interrupt ${them}`;
  const yes = await ask(`${problem}. Continue?`, { problem, remedy: 'add --yes to run the drill anyway' });
  if (!yes) throw new ClawmeshError('interrupted', 'the drill was not run');
}

function print(out: Output, report: DrillReport, failures: readonly string[]): void {
  const time = (ms: number | null) => (ms === null ? '-' : humanDuration(ms));
  out.table(
    ['NODE', 'DRILL', 'PROBES', 'DETECTION', 'RESTART', 'TOTAL', 'PROMISED', 'LOST', 'UNEXPLAINED'],
    [
      [
        report.node,
        report.kind,
        String(report.probes),
        time(report.detectionMs),
        time(report.restartMs),
        time(report.totalMs),
        time(report.promisedMs),
        String(report.lost),
        String(report.unexplained),
      ],
    ],
  );
  if (report.ok) out.line(out.style('green', 'the drill passed'));
  else out.line(out.style('red', `the drill failed: ${failures.join('; ')}`));
  if (report.kind === 'crash') out.note(`${report.node} stays down until its service or an operator starts it again`);
}
