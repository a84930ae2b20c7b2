import { readFileSync } from 'node:fs';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, fastify, LogController } from 'fastify';
import * as z from 'zod';
import type { Mesh } from '../../client/mesh.ts';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../domain/clock.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { utf8Problem } from '../../domain/text.ts';
import type { Logger } from '../../log/logger.ts';
import type { RawQueues } from '../../queue/bullmq/raw-queues.ts';
import { SESSION_COOKIE } from '../http/access.ts';
import { guard, sessionOf } from '../http/guard.ts';
import { listen } from '../http/listen.ts';
import { Login } from '../http/login.ts';
import { addApi } from './api/api.ts';
import { handleErrors } from './api/errors.ts';
import { addBoard } from './board.ts';
import { LiveMesh } from './live.ts';
import { addLiveRoute } from './live-route.ts';

export interface DashboardOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  /** The token to log in with; required, since the dashboard can change the mesh. */
  readonly token: string;
  /** Those of further users. */
  readonly tokens: Config['dashboard']['tokens'];
  /** Accept only requests for names of this machine. */
  readonly ownNamesOnly: boolean;
  readonly readOnly: boolean;
  readonly log: Logger;
  /** The response of `/metrics`. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/**
 * Requests per minute and address. A page sends up to four a second, and users behind one proxy share its address.
 * Guessing a random token would still take forever.
 */
const MOST_REQUESTS = 3_000;
const MOST_LOGINS = 10;
/** Characters of an id or name in a path; routes have lower limits. */
const MOST_PARAM = 1_000;
/** A message of 1 MiB as JSON, with escapes. */
const BODY_BYTES = 4 * 1_048_576;

/** No external or inline content, and no framing. */
const POLICY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'"],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
};
const PAGE_FILES = {
  'index.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export interface Dashboard {
  readonly url: string;
  /** A fresh link that logs in once, within ten minutes. */
  loginUrl(): string;
  close(): Promise<void>;
}

/**
 * Serves the dashboard until it is closed.
 *
 * @throws ClawmeshError as {@link listen}.
 */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { mesh, clock } = options;
  const live = new LiveMesh(mesh, clock, (error) => messageOf(mesh.explain(error)));
  const queues = await mesh.rawQueues();
  const login = new Login(options.token, mesh.config.mesh, clock, options.tokens);
  const app = await createApp(options, login, live, queues);
  const close = async () => {
    live.close();
    await app.close();
    await queues.close();
  };
  try {
    const url = await listen(app, { ...options, setting: 'dashboard.host' });
    return { url, loginUrl: () => login.linkTo(url), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function createApp(
  options: DashboardOptions,
  login: Login,
  live: LiveMesh,
  queues: RawQueues,
): Promise<FastifyInstance> {
  const { mesh, log, readOnly, metrics } = options;
  const app: FastifyInstance = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MOST_PARAM },
  });
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: POLICY },
    // This server does not know whether a proxy adds TLS.
    strictTransportSecurity: false,
  });
  await app.register(cookie);
  parseJsonAsWritten(app);
  await app.register(rateLimit, { max: MOST_REQUESTS, timeWindow: '1 minute' });
  handleErrors(app, mesh, log);
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'no such page' }));
  guard(app, login, options.ownNamesOnly ? options.host : undefined);
  addPage(app, login);
  addHealth(app, mesh);
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics();
    return reply.type(contentType).send(text);
  });
  const { clock } = options;
  await addApi(app, { mesh, clock, readOnly, log, more: (api) => addLiveRoute(api, live, clock) });
  await addBoard(app, mesh, queues);
  return app;
}

/**
 * Fastify's own JSON parser, restricted to valid UTF-8: by itself it replaces invalid bytes with a replacement
 * character.
 */
function parseJsonAsWritten(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const problem = utf8Problem(body);
    if (problem === undefined) return parse(request, body.toString('utf8'), done);
    done(new ClawmeshError('usage', `the request ${problem}`), undefined);
  });
}

function addPage(app: FastifyInstance, login: Login): void {
  const folder = new URL('./page/', import.meta.url);
  const files = new Map(Object.keys(PAGE_FILES).map((name) => [name, readFileSync(new URL(name, folder))]));
  const send = (reply: FastifyReply, name: keyof typeof PAGE_FILES) =>
    reply.type(PAGE_FILES[name]).send(files.get(name));
  app.get('/', (_request, reply) => send(reply, 'index.html'));
  app.get('/login', { config: { public: true } }, (_request, reply) => send(reply, 'index.html'));
  for (const name of ['app.js', 'app.css', 'icon.svg'] as const) {
    app.get(`/assets/${name}`, { config: { public: true } }, (_request, reply) => send(reply, name));
  }
  const credentials = z.union([z.object({ token: z.string().max(1_024) }), z.object({ code: z.string().max(256) })], {
    error: 'expected the token, or the code of a link',
  });
  const guesses = { max: MOST_LOGINS, timeWindow: '1 minute' };
  const cookieOptions = { path: '/', httpOnly: true, sameSite: 'strict' } as const;
  app.post('/login', { config: { public: true, rateLimit: guesses } }, async (request, reply) => {
    const given = credentials.parse(request.body);
    if ('code' in given && !login.takeCode(given.code)) {
      const error = 'this link was already used or has expired; clawmesh dashboard --link prints a new one';
      return reply.code(401).send({ error });
    }
    const user = 'token' in given ? login.userOf(given.token) : undefined;
    if ('token' in given && !user) return reply.code(401).send({ error: 'wrong token' });
    return reply.setCookie(SESSION_COOKIE, login.newSession(user), cookieOptions).send({ ok: true });
  });
  app.post('/logout', { config: { forViewers: true } }, async (request, reply) => {
    login.logOut(sessionOf(request) ?? '');
    return reply.clearCookie(SESSION_COOKIE, cookieOptions).send({ ok: true });
  });
}

function addHealth(app: FastifyInstance, mesh: Mesh): void {
  app.get('/healthz', { config: { public: true } }, async () => ({ alive: true }));
  app.get('/readyz', { config: { public: true } }, async (_request, reply) => {
    const ready = await mesh.server.isReady();
    return reply.code(ready ? 200 : 503).send(ready ? { ready } : { ready, reasons: ['Redis does not respond'] });
  });
}
