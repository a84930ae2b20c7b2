import { hostname } from 'node:os';
import { Command } from 'commander';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { JobReport } from '../../ops/cron-import/import.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { poolOption } from '../options.ts';
import type { Output } from '../output.ts';

interface ImportCommandOptions {
  from?: string;
  tz?: string;
  pool?: string;
  withoutDelivery?: boolean;
  undo?: boolean;
  dryRun?: boolean;
}

const OUTCOMES: Readonly<Record<JobReport['outcome'], readonly [done: string, would: string]>> = {
  imported: ['imported', 'would be imported'],
  merged: ['imported; another gateway has the same job', 'would be imported; another gateway has the same job'],
  unchanged: ['imported earlier', 'imported earlier'],
  stays: ['stays in OpenClaw', 'stays in OpenClaw'],
  restored: ['runs in OpenClaw again', 'would run in OpenClaw again'],
  gone: ['no longer in OpenClaw; the schedule stays', 'no longer in OpenClaw; the schedule stays'],
};

export function scheduleImportCommand(): Command {
  return new Command('import-openclaw')
    .description("move an OpenClaw gateway's cron jobs to the mesh, which runs each due task once")
    .option('--from <url>', 'the gateway, as ws://host:port (default: openclaw.gateway.url)')
    .option('--tz <zone>', "time zone of jobs that name none (default: this machine's, if the gateway is on it)")
    .option('--pool <pool>', 'pool of the tasks (default: default)', poolOption)
    .option(
      '--without-delivery',
      'also import jobs whose results go to a webhook or to the last chat; they will no longer go there',
    )
    .option('--undo', 'enable the jobs in the gateway again, and remove their schedules')
    .option('--dry-run', 'show what would happen, and change nothing')
    .addHelpText(
      'after',
      example('clawmesh schedule import-openclaw --dry-run', 'clawmesh schedule import-openclaw --undo'),
    )
    .action(importOpenClaw);
}

async function importOpenClaw(options: ImportCommandOptions, command: Command): Promise<void> {
  await checkOptions(options);
  const out = outputOf(command);
  const { config } = await loadedConfig(command);
  const { url, token } = config.openclaw.gateway;
  const address = new URL(options.from ?? url);
  const local = isThisMachine(address);
  const [{ GatewayCron }, { importJobs, undoImport }] = await Promise.all([
    import('../../runners/gateway-cron.ts'),
    import('../../ops/cron-import/import.ts'),
  ]);
  await withMesh(command, async (mesh) => {
    const schedules = await mesh.schedules();
    const gateway = await GatewayCron.open({ url: address.href, token, clock: systemClock });
    const target = { schedules, imported: mesh.importedJobs };
    const dryRun = options.dryRun === true;
    const reports: JobReport[] = [];
    try {
      const steps = options.undo
        ? undoImport(gateway, target, { dryRun })
        : importJobs(gateway, target, {
            dryRun,
            timezone: options.tz ?? (local ? Intl.DateTimeFormat().resolvedOptions().timeZone : undefined),
            withoutDelivery: options.withoutDelivery === true,
            pool: options.pool,
            attempts: config.queue.attempts,
            now: systemClock.now(),
          });
      for await (const step of steps) reports.push(step);
    } catch (error) {
      if (!out.json) print(out, reports, dryRun);
      throw error;
    } finally {
      await gateway.close();
    }
    if (out.json) out.document<'schedule import-openclaw'>({ gateway: gateway.address, dryRun, jobs: reports });
    else if (reports.length === 0)
      out.note(
        options.undo ? `nothing was imported from ${gateway.address}` : `${gateway.address} has no enabled cron jobs`,
      );
    else print(out, reports, dryRun);
  });
}

/** @throws ClawmeshError `usage`. */
async function checkOptions({ from, tz, undo, withoutDelivery, pool }: ImportCommandOptions): Promise<void> {
  if (from !== undefined && !/^wss?:$/.test(URL.parse(from)?.protocol ?? '')) {
    throw new ClawmeshError('usage', '--from: expected ws://host:port', { remedy: 'nothing was imported' });
  }
  if (undo && (tz !== undefined || withoutDelivery || pool !== undefined)) {
    const option = tz !== undefined ? '--tz' : withoutDelivery ? '--without-delivery' : '--pool';
    throw new ClawmeshError('usage', `--undo and ${option} cannot be combined`, { remedy: `leave out ${option}` });
  }
  if (tz !== undefined) {
    const { parseTimes } = await import('../../queue/schedule-times.ts');
    parseTimes({ cron: '@daily', timezone: tz }, systemClock.now());
  }
}

function isThisMachine({ hostname: host }: URL): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\./.test(host) || host === hostname();
}

function print(out: Output, reports: readonly JobReport[], dryRun: boolean): void {
  if (reports.length === 0) return;
  out.table(
    ['JOB', 'SCHEDULE', 'OUTCOME'],
    reports.map(({ name, schedule, outcome, reason }) => [
      name,
      schedule ?? '-',
      `${OUTCOMES[outcome][dryRun ? 1 : 0]}${reason === null ? '' : `: ${reason}`}`,
    ]),
  );
  const staying = reports.filter(({ outcome }) => outcome === 'stays').length;
  if (staying > 0) out.note(`${counted(staying, 'job')} ${staying === 1 ? 'stays' : 'stay'} in OpenClaw, unchanged`);
}
