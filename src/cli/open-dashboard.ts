import type { Mesh } from '../client/mesh.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../log/logger.ts';
import { type Dashboard, serveDashboard } from '../ops/dashboard/server.ts';
import { isLoopback } from '../ops/http/listen.ts';
import { Login } from '../ops/http/login.ts';
import { madeToken } from '../ops/http/made-token.ts';
import { meshMetrics } from '../ops/metrics/mesh-metrics.ts';
import { takeSnapshot } from '../ops/snapshot.ts';
import { systemClock } from '../platform/clock.ts';

/**
 * Serves the dashboard of a connected mesh; the caller closes both. Without a configured token it uses one generated
 * for this user, and accepts only this machine.
 *
 * @throws ClawmeshError as {@link serveDashboard} and {@link madeToken}.
 */
export async function openDashboard(mesh: Mesh, settings: Config['dashboard'], log: Logger): Promise<Dashboard> {
  const metrics = async () => {
    const { snapshot, nodes } = await takeSnapshot(mesh, systemClock);
    return meshMetrics(snapshot, nodes);
  };
  const token = tokenOf(settings, mesh.config.mesh, process.env);
  const clock = systemClock;
  return serveDashboard({ ...settings, clock, token, ownNamesOnly: settings.token === '', mesh, log, metrics });
}

/**
 * A login link for a dashboard that this user runs on this machine, now or later. `page`: the part of the address after
 * `#` of the page to show first. @throws ClawmeshError as {@link madeToken}.
 */
export function loginLink(
  config: { mesh: string; dashboard: Config['dashboard'] },
  env: NodeJS.ProcessEnv,
  page = '',
): { url: string; loginUrl: string } {
  const { host, port } = config.dashboard;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  const login = new Login(tokenOf(config.dashboard, config.mesh, env), config.mesh, systemClock);
  return { url, loginUrl: login.linkTo(url, page) };
}

/** An address beyond this machine requires a configured token; the server reports that when it listens. */
function tokenOf({ token, host }: Config['dashboard'], mesh: string, env: NodeJS.ProcessEnv): string {
  return token !== '' || !isLoopback(host) ? token : madeToken(mesh, env);
}
