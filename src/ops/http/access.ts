import type { IncomingHttpHeaders } from 'node:http';
import type { Login } from './login.ts';

export const SESSION_COOKIE = 'clawmesh_session';

/** What the rules look at. */
export interface AccessRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly session: string | undefined;
}

/** What may be done: everything, nothing without a login, or nothing at all, with why. */
export type Access = 'granted' | 'login' | { readonly refused: string };

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * The rules of who may do what.
 *
 * - Without a configured token a server is for this machine only, and a page elsewhere may still send a browser here: under
 *   a name of its own that it lets point to 127.0.0.1. So the name in the request has to be one of `ownNames`.
 * - What changes anything has to come from the dashboard's own page, or bring the token; the cookie alone is not enough.
 */
export function accessOf(request: AccessRequest, login: Login, ownNames: readonly string[] | undefined): Access {
  const { method, headers, session } = request;
  const host = headers.host ?? '';
  if (ownNames && !ownNames.includes(nameOf(host))) {
    return { refused: `there is no dashboard.token, so this answers only to ${ownNames.join(', ')}` };
  }
  const hasToken = login.isToken(bearer(headers.authorization));
  const hasSession = session !== undefined && login.isSession(session);
  if (!SAFE_METHODS.has(method) && !hasToken && !isSameOrigin(headers, host)) {
    return { refused: 'this can be done only from the dashboard itself, or with the token' };
  }
  return !login.required || hasToken || hasSession ? 'granted' : 'login';
}

function bearer(authorization: string | undefined): string {
  return /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Browsers name the origin of everything that is no plain GET; a program that names none is no browser. */
function isSameOrigin(
  { origin, 'sec-fetch-site': site, 'content-type': type }: IncomingHttpHeaders,
  host: string,
): boolean {
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin !== undefined) return URL.parse(origin)?.host === host;
  // A form of another page can't send this type without asking first.
  return site === 'same-origin' || (type ?? '').startsWith('application/json');
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}
