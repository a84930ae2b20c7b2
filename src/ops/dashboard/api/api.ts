import type { FastifyInstance } from 'fastify';
import type { Mesh } from '../../../client/mesh.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { Logger } from '../../../log/logger.ts';
import { SAFE_METHODS } from '../../http/access.ts';
import { addCircuitRoutes } from './circuits.ts';
import { addHookRoute } from './hooks.ts';
import { addMeshRoutes } from './mesh.ts';
import { addNodeRoutes } from './nodes.ts';
import { collectRoutes } from './openapi.ts';
import { addPoolRoutes } from './pools.ts';
import { addScheduleRoutes } from './schedules.ts';
import { addTaskRoutes } from './tasks.ts';
import { addTimelineRoutes } from './timeline.ts';
import { withZod } from './zod-routes.ts';

const SESSION = 'Name of the mesh, whose token this is, and whether it may only read';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The command of the CLI whose JSON document the route returns; the route may add fields. */
    document?: string;
    /** What the route does, if it does not do the same as a command. */
    summary?: string;
    /** Status of a reply without an error, if it is not 200. */
    success?: number;
  }
}

interface ApiOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly log: Pick<Logger, 'info'>;
  readonly more?: (api: FastifyInstance) => void;
}

/**
 * The HTTP API, under `/api/v1`. Each route does the same as a command, and returns the document that the command
 * prints with `--json`. With `readOnly`, it refuses everything that changes the mesh. `more` adds further routes.
 */
export async function addApi(app: FastifyInstance, { mesh, clock, readOnly, log, more }: ApiOptions): Promise<void> {
  await app.register(
    async (scope) => {
      if (readOnly) {
        scope.addHook('onRequest', async (request, reply) => {
          if (request.method === 'GET' || request.method === 'HEAD') return;
          return reply.code(403).send({ error: 'this dashboard is read-only (dashboard.readOnly)' });
        });
      }
      scope.addHook('onResponse', async ({ method, url, user }, { statusCode }) => {
        if (SAFE_METHODS.has(method) || statusCode >= 400) return;
        log.info({ by: user?.name ?? null, method, path: url.split('?')[0] }, 'dashboard: changed the mesh');
      });
      const describeApi = collectRoutes(scope);
      const api = withZod(scope);
      api.get('/openapi.json', { config: { summary: 'This API as an OpenAPI 3.1 document' } }, async () =>
        describeApi(),
      );
      api.get('/session', { config: { summary: SESSION } }, async ({ user }) => ({
        mesh: mesh.config.mesh,
        readOnly: readOnly || user?.role === 'viewer',
        user: user?.name ?? null,
        role: user?.role ?? null,
      }));
      more?.(scope);
      await addHookRoute(scope, mesh, clock);
      addMeshRoutes(api, mesh, clock);
      addTaskRoutes(api, mesh);
      addTimelineRoutes(api, mesh);
      addNodeRoutes(api, mesh);
      addPoolRoutes(api, mesh);
      addScheduleRoutes(api, mesh);
      addCircuitRoutes(api, mesh);
    },
    { prefix: '/api/v1' },
  );
}
