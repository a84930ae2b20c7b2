import type { Mesh } from '../../../client/mesh.ts';
import { byName, type ZodServer } from './zod-routes.ts';

/** Circuits, which hold the tasks of providers that fail. */
export function addCircuitRoutes(app: ZodServer, mesh: Mesh): void {
  app.get('/circuits', { config: { document: 'circuit list' } }, async () => ({ circuits: await mesh.circuit.view() }));
  app.post(
    '/circuits/:name/close',
    { schema: { params: byName }, config: { document: 'circuit close' } },
    async ({ params: { name } }) => ({ name, ...(await mesh.circuit.close(name)) }),
  );
}
