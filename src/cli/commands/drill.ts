import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { leaseMs } from '../../config/lease.ts';
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
  const drill = new Command('drill').description('rehearse on the real mesh');
  drill
    .command('failover')
    .description('take a node down for real and measure when its tasks go on elsewhere; exit 1 if it falls short')
    .option('--node <id>', 'the node to take down (default: the one that runs the most probes)')
    .option(
      '--kill <how>',
      `${DRILL_KINDS.join(', ')}: what its daemon does to itself`,
      choiceOption(DRILL_KINDS),
      'crash',
    )
    .option('--yes', 'do not ask, even if the mesh has work running')
    .addHelpText(
      'after',
      example('clawmesh drill failover', 'clawmesh drill failover --node mac-2 --kill freeze --yes'),
    )
    .action(failover);
  return drill;
}

async function failover(options: { node?: string; kill: DrillKind; yes?: boolean }, command: Command): Promise<void> {
  const out = outputOf(command);
  const { drillFailover } = await import('../../ops/drill.ts');
  const outages = tellOfOutages(out, 'the drill goes on');
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
    else print(out, report);
    if (!report.ok) process.exitCode = 1;
  };
  await withMesh(command, rehearse, { waits: true });
}

/** A drill on an idle mesh does no harm; on a busy mesh it interrupts real runs. */
async function confirm(mesh: Mesh): Promise<void> {
  const counts = await mesh.pool.counts();
  const active = [...counts.values()].reduce((sum, pool) => sum + pool.active, 0);
  if (active === 0) return;
  const yes = await ask(`${active} tasks are running; the drill may cut them off. Go on?`, {
    problem: `${active} tasks are running; a drill may cut them off`,
    remedy: 'say --yes to do it',
  });
  if (!yes) throw new ClawmeshError('interrupted', 'no drill was made');
}

function print(out: Output, report: DrillReport): void {
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
  out.line(report.ok ? out.style('green', 'the mesh keeps its promise') : out.style('red', 'the mesh falls short'));
  if (report.kind === 'crash') out.note(`unless something starts it again, ${report.node} is down now`);
}
