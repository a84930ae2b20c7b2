import type { FastifyInstance } from 'fastify';
import type { Mesh } from '../../../client/mesh.ts';
import type { Clock } from '../../../domain/clock.ts';
import { addCircuitRoutes } from './circuits.ts';
import { addMeshRoutes } from './mesh.ts';
import { addNodeRoutes } from './nodes.ts';
import { addPoolRoutes } from './pools.ts';
import { addScheduleRoutes } from './schedules.ts';
import { addTaskRoutes } from './tasks.ts';
import { withZod } from './zod-routes.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The command of the CLI whose JSON document the route returns; the route may add fields. */
    document?: string;
  }
}

/**
 * The HTTP API, under `/api/v1`. Each route does the same as a command, and returns the document that the command
 * prints with `--json`. With `readOnly`, it refuses everything that changes the mesh.
 */
export async function addApi(
  app: FastifyInstance,
  { mesh, clock, readOnly }: { mesh: Mesh; clock: Clock; readOnly: boolean },
): Promise<void> {
  await app.register(
    async (scope) => {
      if (readOnly) {
        scope.addHook('onRequest', async (request, reply) => {
          if (request.method === 'GET' || request.method === 'HEAD') return;
          return reply.code(403).send({ error: 'this dashboard is read-only (dashboard.readOnly)' });
        });
      }
      const api = withZod(scope);
      api.get('/session', async () => ({ mesh: mesh.config.mesh, readOnly }));
      addMeshRoutes(api, mesh, clock);
      addTaskRoutes(api, mesh);
      addNodeRoutes(api, mesh);
      addPoolRoutes(api, mesh);
      addScheduleRoutes(api, mesh);
      addCircuitRoutes(api, mesh);
    },
    { prefix: '/api/v1' },
  );
}
