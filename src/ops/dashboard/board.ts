import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import type { Mesh } from '../../client/mesh.ts';
import type { RawQueues } from '../../queue/bullmq/raw-queues.ts';

/** The build puts bull-board's page here. Without it, bull-board finds its page among the npm packages. */
const PAGE = fileURLToPath(new URL('./board/', import.meta.url));

/** bull-board uses inline styles, and sets a base. */
const BOARD_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

/** bull-board, read-only: its own task actions would bypass the mesh's guarantees. */
export async function addBoard(app: FastifyInstance, mesh: Mesh, queues: RawQueues): Promise<void> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/fastify'),
  ]);
  const adapter = new FastifyAdapter();
  adapter.setBasePath('/queues');
  const uiConfig = { boardTitle: `clawmesh ${mesh.config.mesh}`, hideRedisDetails: true };
  const options = { uiConfig, ...(existsSync(PAGE) && { uiBasePath: PAGE }) };
  const board = createBullBoard({ queues: [], serverAdapter: adapter, options });
  await app.register(
    async (scope) => {
      scope.addHook('onRequest', async (request, reply) => {
        if (request.method !== 'GET' && request.method !== 'HEAD') {
          return reply.code(403).send({ error: 'the raw queues are read-only' });
        }
        const adapters = queues.of(await mesh.pool.names()).map((queue) => {
          return new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false });
        });
        board.replaceQueues(adapters);
      });
      scope.addHook('onSend', async (_request, reply, payload) => {
        reply.header('content-security-policy', BOARD_POLICY);
        // Its page loads external fonts.
        return typeof payload === 'string' ? payload.replace(/<link href="https:[^>]*>/g, '') : payload;
      });
      await scope.register(adapter.registerPlugin());
    },
    { prefix: '/queues' },
  );
}
