import type { Mesh } from '../../../client/mesh.ts';
import { byId, type ZodServer } from './zod-routes.ts';

/** Nodes, and what an operator can do with them. */
export function addNodeRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/nodes', { config: { document: 'node list' } }, async () => ({ nodes: await mesh.node.list() }));
  app.get('/nodes/:id', { schema: { params: byId }, config: { document: 'node show' } }, async ({ params }) =>
    mesh.node.existing(params.id),
  );
  for (const wanted of ['drain', 'resume'] as const) {
    app.post(
      `/nodes/:id/${wanted}`,
      { schema: { params: byId }, config: { document: `node ${wanted}` } },
      async ({ params }) => {
        const { id, state, running, orphaned } = await mesh.node[wanted](params.id);
        return { id, wanted, state, running, orphaned };
      },
    );
  }
  app.post('/nodes/:id/evict', { schema: { params: byId }, config: { document: 'node evict' } }, async ({ params }) => {
    const requeued = await mesh.node.evict(params.id);
    return { id: params.id, requeued: requeued.map(({ taskId }) => taskId) };
  });
  app.post(
    '/nodes/:id/forget',
    { schema: { params: byId }, config: { document: 'node forget' } },
    async ({ params: { id } }) => {
      const { waiting } = await mesh.node.forget(id);
      return { id, forgotten: true, inInventory: Object.hasOwn(mesh.config.nodes, id), waiting };
    },
  );
}
