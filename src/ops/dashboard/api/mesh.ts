import * as z from 'zod';
import type { Mesh } from '../../../client/mesh.ts';
import type { Clock } from '../../../domain/clock.ts';
import { takeSnapshot } from '../../snapshot.ts';
import { duration, limit, type ZodServer } from './zod-routes.ts';

const eventQuery = z.strictObject({ since: duration.optional(), limit: limit(50, 1_000) });
const handoverQuery = z.strictObject({
  task: z.string().max(200).optional(),
  /** Either side of the handover. */
  node: z.string().max(64).optional(),
  since: duration.optional(),
  limit: limit(50, 1_000),
});
const usageQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(400).optional() });

/** The mesh as a whole: its status, logs and usage. */
export function addMeshRoutes(app: ZodServer, mesh: Mesh, clock: Clock): void {
  app.get('/status', { config: { document: 'status' } }, async () => (await takeSnapshot(mesh, clock)).snapshot);
  app.get('/events', { schema: { querystring: eventQuery }, config: { document: 'events' } }, async ({ query }) => ({
    events: await mesh.events.newest({ sinceMs: query.since, limit: query.limit }),
  }));
  app.get(
    '/handovers',
    { schema: { querystring: handoverQuery }, config: { document: 'handovers' } },
    async ({ query: { task, node, since, limit: most } }) => ({
      handovers: await mesh.handovers({ taskId: task, nodeId: node, sinceMs: since, limit: most }),
    }),
  );
  app.get(
    '/usage',
    { schema: { querystring: usageQuery }, config: { document: 'task list --usage' } },
    async ({ query }) => ({ usage: await mesh.usage(query.days) }),
  );
}
