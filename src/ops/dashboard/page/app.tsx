import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type MeshState, useMesh, useNow, useRoute } from './mesh-state.ts';
import { Nodes } from './nodes-panel.tsx';
import { Handovers, Pools, Problems, Running, Tasks } from './panels.tsx';
import { request } from './requests.ts';
import { EnqueueDialog } from './steering.tsx';
import { TaskDialog } from './task-view.tsx';
import { Timeline } from './timeline-view.tsx';

interface Session {
  readonly mesh: string;
  readonly readOnly: boolean;
}

const THEME = 'clawmesh-theme';

function App() {
  // Both requests start at once: the live view must not wait for the session.
  const state = useMesh();
  const [session, setSession] = useState<Session>();
  useEffect(() => void request<Session>('/api/session').then(setSession, () => {}), []);
  return session ? <Dashboard session={session} state={state} /> : null;
}

function Dashboard({ session, state }: { session: Session; state: MeshState }) {
  const { mesh, runs, runsVersion, history, clockOffset, trouble } = state;
  const [enqueuing, setEnqueuing] = useState(false);
  const route = useRoute();
  const now = useNow(1_000) + clockOffset;
  const steer = !session.readOnly;
  const [, taskId] = /^\/task\/(.+)$/.exec(route) ?? [];
  useEffect(() => {
    const problems = mesh?.snapshot.problems.filter(({ severity }) => severity !== 'notice').length ?? 0;
    document.title = `${problems > 0 ? `(${problems}) ` : ''}${session.mesh} · clawmesh`;
  }, [mesh, session]);
  const nodes = mesh?.nodes.filter(({ state }) => state !== 'stopped') ?? [];
  const pools = Object.keys(mesh?.snapshot.pools ?? {});
  const counts = Object.entries(mesh?.snapshot.nodes ?? {}).filter(([state, count]) => state === 'up' || count > 0);
  // The lists are read again after any change to a task.
  const signal = `${JSON.stringify(mesh?.snapshot.pools)} ${runsVersion}`;
  return (
    <>
      <header class="top">
        <img src="/assets/icon.svg" alt="" width="28" height="28" />
        <h1>{session.mesh}</h1>
        <p role="status">
          {counts.map(([state, count]) => `${count} ${state}`).join(', ')}
          {mesh && ` · Redis ${mesh.snapshot.redis.latencyMs} ms`}
        </p>
        <span class="grow" />
        <span class={`live ${trouble ? 'off' : ''}`}>{trouble ? 'not live' : mesh ? 'live' : 'loading'}</span>
        {session.readOnly && <span class="state gated">read-only</span>}
        {steer && (
          <button type="button" class="primary" onClick={() => setEnqueuing(true)}>
            Enqueue
          </button>
        )}
        <a class="button" href="/queues">
          Raw queues
        </a>
        <button type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          ◐
        </button>
        <button type="button" onClick={() => void request('/logout', {}).then(() => location.assign('/login'))}>
          Log out
        </button>
      </header>
      <main>
        {trouble && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        {mesh && (
          <>
            <Problems problems={mesh.snapshot.problems} />
            <Timeline
              nodes={nodes.map(({ id }) => id)}
              runs={runs}
              version={runsVersion}
              history={history}
              dead={mesh.dead}
              clockOffset={clockOffset}
            />
            <Nodes nodes={mesh.nodes} now={now} steer={steer} />
            <Running running={mesh.snapshot.running} moreRunning={mesh.snapshot.moreRunning} now={now} />
            <Pools pools={mesh.snapshot.pools} oldestWaiting={mesh.snapshot.oldestWaiting} steer={steer} />
            <Handovers signal={signal} now={now} />
            <Tasks signal={signal} pools={pools} nodes={mesh.nodes.map(({ id }) => id)} now={now} />
          </>
        )}
      </main>
      {enqueuing && <EnqueueDialog pools={pools} onClose={() => setEnqueuing(false)} />}
      {taskId && <TaskDialog key={taskId} id={taskId} clockOffset={clockOffset} steer={steer} />}
    </>
  );
}

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

function LoginForm() {
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
          Token (dashboard.token; or use the link that clawmesh dashboard --link prints)
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

function switchTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  localStorage.setItem(THEME, root.dataset.theme);
}

const theme = localStorage.getItem(THEME);
if (theme) document.documentElement.dataset.theme = theme;
const place = document.getElementById('app');
if (place) render(location.pathname === '/login' ? <LoginForm /> : <App />, place);
