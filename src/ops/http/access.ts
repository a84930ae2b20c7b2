import type { IncomingHttpHeaders } from 'node:http';
import type { Login, User } from './login.ts';

export const SESSION_COOKIE = 'clawmesh_session';

/** The parts of a request that the access rules check. */
export interface AccessRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly session: string | undefined;
}

/** The result: granted to a user, granted since no login is required, requires a login, or refused with the reason. */
export type Access = { readonly user: User } | 'open' | 'login' | { readonly refused: string };

/** Methods that change nothing. */
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * The access rules.
 *
 * - Without a configured token, a server is for this machine only. A foreign page may still send a browser here, under
 *   a domain name that it resolves to 127.0.0.1 (DNS rebinding). So the host name in the request must be one of
 *   `ownNames`.
 * - A request that changes anything must come from the dashboard's own page, or carry the token; the cookie alone is
 *   not enough.
 */
export function accessOf(request: AccessRequest, login: Login, ownNames: readonly string[] | undefined): Access {
  const { method, headers, session } = request;
  const host = headers.host ?? '';
  if (ownNames && !ownNames.includes(nameOf(host))) {
    return { refused: `without dashboard.token, this server accepts only requests to ${ownNames.join(', ')}` };
  }
  const byToken = login.userOf(bearer(headers.authorization));
  if (!SAFE_METHODS.has(method) && !byToken && !isSameOrigin(headers, host)) {
    return { refused: 'changes require the dashboard page itself, or the token' };
  }
  const user = byToken ?? (session === undefined ? undefined : login.sessionUser(session));
  if (user) return { user };
  return login.required ? 'login' : 'open';
}

function bearer(authorization: string | undefined): string {
  return /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Browsers send an origin with every request other than a plain GET; a client without one is not a browser. */
function isSameOrigin(
  { origin, 'sec-fetch-site': site, 'content-type': type }: IncomingHttpHeaders,
  host: string,
): boolean {
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin !== undefined) return URL.parse(origin)?.host === host;
  // A form of another page can't send this type without a preflight request.
  return site === 'same-origin' || (type ?? '').startsWith('application/json');
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}
