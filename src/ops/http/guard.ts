import type { FastifyInstance, FastifyRequest } from 'fastify';
import { accessOf, SAFE_METHODS, SESSION_COOKIE } from './access.ts';
import type { Login, User } from './login.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Allows requests without a login: the route reveals nothing about the mesh. */
    public?: boolean;
    /** The route itself checks a signature of the request, which replaces login, origin and host name. */
    signed?: boolean;
    /** Viewers may send it, although its method is not safe: it changes nothing in the mesh. */
    forViewers?: boolean;
  }
  interface FastifyRequest {
    /** Who sent the request; undefined if the route requires no login. */
    user?: User | undefined;
  }
}

/**
 * Makes every route require a login unless it is marked public, so that none can be forgotten. `onlyAs`: accept only
 * requests for this host, or for other names of this machine. Viewers may only read.
 */
export function guard(app: FastifyInstance, login: Login, onlyAs: string | undefined): void {
  const ownNames = onlyAs === undefined ? undefined : namesOf(onlyAs);
  app.decorateRequest('user', undefined);
  app.addHook('onRequest', async (request, reply) => {
    const { method, headers } = request;
    const { config } = request.routeOptions;
    if (config.signed) return;
    const access = accessOf({ method, headers, session: sessionOf(request) }, login, ownNames);
    if (typeof access === 'object' && 'refused' in access) return reply.code(403).send({ error: access.refused });
    if (access === 'open' || config.public) return;
    if (access !== 'login') {
      request.user = access.user;
      const { name, role } = access.user;
      if (role === 'operator' || SAFE_METHODS.has(method) || config.forViewers) return;
      return reply.code(403).send({ error: `the token ${name} is of a viewer, who may only read`, fix: null });
    }
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
