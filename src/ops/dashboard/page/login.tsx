import { useEffect, useState } from 'preact/hooks';
import { request } from './requests.ts';

async function logIn(
  credentials: { token: string } | { code: string },
  onError: (message: string) => void,
  route = '',
): Promise<void> {
  try {
    await request('/login', credentials);
    location.replace(`/${route && `#${route}`}`);
  } catch (thrown) {
    onError((thrown as Error).message);
  }
}

export function LoginForm() {
  const [error, setError] = useState('');
  // A login link contains a code that logs in once, and a route; it is removed from the browser's history.
  useEffect(() => {
    const [, code = '', route = ''] = /^#([^/]*)(\/.*)?$/.exec(location.hash) ?? [];
    if (code === '') return;
    history.replaceState(null, '', location.pathname);
    void logIn({ code }, setError, route);
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get('token');
    await logIn({ token: String(token) }, setError);
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <img src="/assets/icon.svg" alt="" width="40" height="40" />
        <h1>clawmesh</h1>
        <label>
          Token (dashboard.token or one of dashboard.tokens; or use the link that clawmesh dashboard --link prints)
          <input name="token" type="password" autocomplete="current-password" required />
        </label>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary">
          Log in
        </button>
      </form>
    </main>
  );
}
