import type { FastifyInstance, FastifyRequest } from 'fastify';
import { accessOf, SESSION_COOKIE } from './access.ts';
import type { Login } from './login.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Allows requests without a login: the route reveals nothing about the mesh. */
    public?: boolean;
  }
}

/**
 * Makes every route require a login unless it is marked public, so that none can be forgotten. `onlyAs`: accept only
 * requests for this host, or for other names of this machine.
 */
export function guard(app: FastifyInstance, login: Login, onlyAs: string | undefined): void {
  const ownNames = onlyAs === undefined ? undefined : namesOf(onlyAs);
  app.addHook('onRequest', async (request, reply) => {
    const { method, headers } = request;
    const access = accessOf({ method, headers, session: sessionOf(request) }, login, ownNames);
    if (typeof access === 'object') return reply.code(403).send({ error: access.refused });
    if (access === 'granted' || request.routeOptions.config.public === true) return;
    const wantsPage = method === 'GET' && (headers.accept ?? '').includes('text/html');
    if (wantsPage) return reply.redirect('/login', 303);
    return reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'log in first, or send the token' });
  });
  // Responses contain data of the mesh, which no cache may store.
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
}

function namesOf(host: string): string[] {
  return [...new Set(['localhost', '127.0.0.1', '[::1]', host.includes(':') ? `[${host}]` : host])];
}

/** The session in the browser's cookie; undefined if there is none. */
export function sessionOf(request: FastifyRequest): string | undefined {
  return request.cookies?.[SESSION_COOKIE];
}
