/** Returns the server's reply, or throws an error with its one-line problem and remedy. */
export async function request<T>(path: string, body?: unknown): Promise<T> {
  const init: RequestInit =
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(path, init);
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as T;
  if (response.status === 401 && location.pathname !== '/login') location.assign('/login');
  const { error, fix } = answer as { error?: string; fix?: string | null };
  throw new Error([error ?? `the dashboard replied with status ${response.status}`, fix].filter(Boolean).join('; '));
}
