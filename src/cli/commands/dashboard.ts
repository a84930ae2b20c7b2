import { hostname } from 'node:os';
import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Logger } from '../../log/logger.ts';
import type { Alerts } from '../../node/alerts.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { numberOption } from '../options.ts';
import { onStopSignals } from '../signals.ts';

interface DashboardFlags {
  host?: string;
  port?: number;
  readOnly?: boolean;
  link?: boolean;
}

export function dashboardCommand(): Command {
  return new Command('dashboard')
    .description('serve the dashboard of the mesh, with /metrics and /healthz, in the foreground')
    .option(
      '--host <address>',
      'address to listen on (default: dashboard.host); any but a loopback address requires dashboard.token',
    )
    .option('--port <n>', 'port to listen on (default: dashboard.port); 0 picks a free one', numberOption(0, 65_535))
    .option('--link', 'only print a login link for the dashboard on this machine; it works once, within 10 minutes')
    .option('--read-only', 'disable everything that changes the mesh (default: dashboard.readOnly)')
    .addHelpText(
      'after',
      example('clawmesh dashboard', 'clawmesh dashboard --port 8080 --read-only', 'clawmesh dashboard --link'),
    )
    .action(dashboard);
}

async function dashboard(flags: DashboardFlags, command: Command): Promise<void> {
  const out = outputOf(command);
  const { config } = await loadedConfig(command);
  const { link, ...settings } = flags;
  if (link) {
    const { loginLink } = await import('../open-dashboard.ts');
    const found = loginLink({ mesh: config.mesh, dashboard: { ...config.dashboard, ...settings } }, process.env);
    if (out.json) out.document<'dashboard'>(found);
    else out.line(found.loginUrl);
    return;
  }
  const [{ Mesh }, { redisTarget }, { openDashboard }, { createLogger }] = await Promise.all([
    import('../../client/mesh.ts'),
    import('../../redis/target.ts'),
    import('../open-dashboard.ts'),
    import('../../log/logger.ts'),
  ]);
  const target = redisTarget(config, process.env);
  // On a terminal, the user reads the log directly.
  const log = createLogger({ ...config.log, ...(process.stderr.isTTY && { format: 'pretty' as const }) });
  const mesh = await Mesh.connect(config, target, { role: 'service', clock: systemClock });
  const stopped = Promise.withResolvers<void>();
  const undo = onStopSignals(() => stopped.resolve());
  let alerts: Alerts | undefined;
  try {
    // The dashboard can also detect that no node is left, which no node can report.
    alerts = await startAlerts(mesh, log);
    const server = await openDashboard(mesh, { ...config.dashboard, ...settings }, log);
    const loginUrl = server.loginUrl();
    if (out.json) out.document<'dashboard'>({ url: server.url, loginUrl });
    else {
      out.line(`dashboard of mesh "${config.mesh}": ${server.url}`);
      out.line(`login link, for one use within 10 minutes: ${loginUrl}`);
    }
    await stopped.promise;
    await server.close();
  } finally {
    undo();
    await alerts?.stop();
    await mesh.close();
  }
}

async function startAlerts(mesh: Mesh, log: Logger): Promise<Alerts> {
  const { config, node, pool } = mesh;
  const { Alerts } = await import('../../node/alerts.ts');
  const feed = await mesh.alertFeed(`dashboard on ${hostname()}`);
  const tooLongMs = config.alerts.oldestWaiting;
  const current = async () => ({ nodes: await node.seen(), waitedMs: await pool.waitedMs(), tooLongMs });
  const alerts = new Alerts({ config, feed, clock: systemClock, current, log });
  await alerts.start();
  return alerts;
}
