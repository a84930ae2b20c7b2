import type { Mesh } from '../client/mesh.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../log/logger.ts';
import { serveDashboard } from '../ops/dashboard/server.ts';
import { meshMetrics } from '../ops/metrics/mesh-metrics.ts';
import { takeSnapshot } from '../ops/snapshot.ts';

/** Serves the dashboard of a mesh that is connected; the caller closes both. @throws ClawmeshError as {@link serveDashboard}. */
export async function openDashboard(
  mesh: Mesh,
  settings: Config['dashboard'],
  log: Logger,
): Promise<{ url: string; close(): Promise<void> }> {
  const metrics = async () => {
    const { snapshot, nodes } = await takeSnapshot(mesh);
    return meshMetrics(snapshot, nodes);
  };
  return serveDashboard({ ...settings, mesh, log, metrics });
}
