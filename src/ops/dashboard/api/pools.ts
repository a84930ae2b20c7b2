import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import { viewPools } from '../../pools.ts';
import { byName, duration, limit, type ZodServer } from './zod-routes.ts';

const endedQuery = z.strictObject({
  since: duration.prefault('24h'),
  /** Number of equal parts of the period. */
  parts: limit(24, 200),
});
const timesQuery = z.strictObject({ since: duration.prefault('24h') });

const TIMES = 'How long the tasks that ended in a period waited and ran, as percentiles';
const ENDED = 'How many tasks ended in each of the equal parts of a period';

/** Pools, how long their tasks wait and run, and pausing. */
export function addPoolRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/pools', { config: { document: 'pool list' } }, async () => ({ pools: await viewPools(mesh) }));
  app.get('/pools/times', { schema: { querystring: timesQuery }, config: { summary: TIMES } }, async ({ query }) => ({
    pools: await mesh.pool.times(query.since),
  }));
  app.get('/pools/ended', { schema: { querystring: endedQuery }, config: { summary: ENDED } }, async ({ query }) => ({
    ended: await mesh.pool.ended(query.since, query.parts),
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
