import rateLimit from '@fastify/rate-limit';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Logger } from '../../log/logger.ts';
import { guard } from './guard.ts';
import { listen } from './listen.ts';
import { Login } from './login.ts';

export interface NodeServerOptions {
  readonly clock: Clock;
  readonly nodeId: string;
  readonly mesh: string;
  readonly host: string;
  readonly port: number;
  /** Token that `/metrics` requires; empty for none, which is allowed only if this machine alone can connect. */
  readonly token: string;
  /** Those of further users. */
  readonly tokens: Config['dashboard']['tokens'];
  readonly standing: () => {
    readonly ready: boolean;
    readonly reasons: readonly string[];
    readonly incarnation: number | null;
    readonly heartbeatAgeMs: number | null;
  };
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly log: Logger;
}

/** Requests per minute and address: far more than scrapes and probes need, too few to guess a token. */
const MOST_REQUESTS = 600;

/**
 * Serves the node's health: `/healthz` (the daemon is alive), `/readyz` (whether it claims tasks, and if not, why),
 * `/metrics`.
 *
 * @throws ClawmeshError as {@link listen}.
 */
export async function serveNode(options: NodeServerOptions): Promise<{ url: string; close(): Promise<void> }> {
  const { nodeId, mesh, host, token, tokens, standing, metrics, log, clock } = options;
  const app: FastifyInstance = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  });
  await app.register(rateLimit, { max: MOST_REQUESTS, timeWindow: '1 minute' });
  guard(app, new Login(token, mesh, clock, tokens), token === '' ? host : undefined);
  // A daemon that has lost Redis waits for it, and a restart would not help. So this only shows that it can still
  // respond.
  app.get('/healthz', { config: { public: true } }, async () => ({
    alive: true,
    nodeId,
    incarnation: standing().incarnation,
  }));
  app.get('/readyz', { config: { public: true } }, async (_request, reply) => {
    const { ready, reasons, heartbeatAgeMs } = standing();
    return reply.code(ready ? 200 : 503).send({ ready, nodeId, reasons, heartbeatAgeMs });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics();
    return reply.type(contentType).send(text);
  });
  const url = await listen(app, { ...options, setting: 'node.listen' });
  return { url, close: () => app.close() };
}
