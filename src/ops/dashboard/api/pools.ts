import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { viewPools } from '../../pools.ts';
import { byName, duration, type ZodServer } from './zod-routes.ts';

const timesQuery = z.strictObject({ since: duration.prefault('24h') });

/** Pools, how long their tasks wait and run, and pausing. */
export function addPoolRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/pools', { config: { document: 'pool list' } }, async () => ({ pools: await viewPools(mesh) }));
  app.get('/pools/times', { schema: { querystring: timesQuery } }, async ({ query }) => ({
    pools: await mesh.pool.times(query.since),
  }));
  for (const [action, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(
      `/pools/:name/${action}`,
      { schema: { params: byName }, config: { document: `pool ${action}` } },
      async ({ params: { name: pool } }) => {
        await mesh.pool[action](pool);
        return { pool, paused };
      },
    );
  }
}
