export type Method = 'GET' | 'POST' | 'DELETE';

/** The address of an API route; each part is one segment of the path. */
export function apiPath(...parts: readonly string[]): string {
  return `/api/v1/${parts.map(encodeURIComponent).join('/')}`;
}

/** Returns the server's reply, or throws an error with its one-line problem and remedy. */
export async function request<T>(path: string, body?: unknown, method?: Method): Promise<T> {
  const init: RequestInit = { method: method ?? (body === undefined ? 'GET' : 'POST') };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  const response = await fetch(path, init);
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as T;
  if (response.status === 401 && location.pathname !== '/login') location.assign('/login');
  const { error, fix } = answer as { error?: string; fix?: string | null };
  throw new Error([error ?? `the dashboard replied with status ${response.status}`, fix].filter(Boolean).join('; '));
}
