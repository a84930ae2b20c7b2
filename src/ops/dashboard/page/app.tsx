import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { CircuitsPage } from './circuits-page.tsx';
import { LoginForm } from './login.tsx';
import { EventsPage, HandoversPage } from './logs-pages.tsx';
import { type MeshState, useMesh, useNow, useRoute } from './mesh-state.ts';
import { open } from './open.ts';
import { Overview } from './overview.tsx';
import { PoolsPage } from './pools-page.tsx';
import { apiPath, request } from './requests.ts';
import { PAGES, type PageName, pageLink, parseRoute } from './route.ts';
import { SchedulesPage } from './schedules-page.tsx';
import { TaskForm } from './task-form.tsx';
import { TaskDialog } from './task-view.tsx';
import { TasksPage } from './tasks-page.tsx';
import { applyTheme, switchTheme } from './theme.ts';
import { UsagePage } from './usage-page.tsx';
import { number } from './words.ts';

interface Session {
  readonly mesh: string;
  readonly readOnly: boolean;
  /** The name of the token; null if none is required. */
  readonly user: string | null;
  readonly role: 'viewer' | 'operator' | null;
}

function App() {
  // Both requests start at once: the live view must not wait for the session.
  const state = useMesh();
  const [session, setSession] = useState<Session>();
  useEffect(() => void request<Session>(apiPath('session')).then(setSession, () => {}), []);
  return session ? <Dashboard session={session} state={state} /> : null;
}

function Dashboard({ session, state }: { session: Session; state: MeshState }) {
  const { mesh, clockOffset, trouble } = state;
  const [enqueuing, setEnqueuing] = useState(false);
  const { route, below, taskId } = usePage();
  const now = useNow(1_000) + clockOffset;
  const steer = !session.readOnly;
  const pools = Object.keys(mesh?.snapshot.pools ?? {});
  useEffect(() => {
    const problems = mesh?.snapshot.problems.filter(({ severity }) => severity !== 'notice').length ?? 0;
    const page = route.page ? `${PAGES[route.page]} · ` : '';
    document.title = `${problems > 0 ? `(${problems}) ` : ''}${page}${session.mesh} · clawmesh`;
  }, [mesh, session, route.page]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('content')?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <img src="/assets/icon.svg" alt="" width="28" height="28" />
        <h1>{session.mesh}</h1>
        <span class={`live ${trouble ? 'off' : ''}`} role="status">
          {trouble ? 'not live' : mesh ? 'live' : 'loading'}
        </span>
        {session.readOnly && (
          <span class="state gated">{session.role === 'viewer' ? `read-only: ${session.user}` : 'read-only'}</span>
        )}
        <span class="grow" />
        {steer && (
          <button type="button" class="primary" onClick={() => setEnqueuing(true)}>
            Enqueue
          </button>
        )}
        <button type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          ◐
        </button>
        <button type="button" onClick={() => void request('/logout', {}).then(() => location.assign('/login'))}>
          Log out
        </button>
      </header>
      <Navigation page={route.page} state={state} />
      <main id="content" tabIndex={-1}>
        {trouble && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        <Page page={route.page} query={route.query} state={state} now={now} steer={steer} />
      </main>
      {enqueuing && <TaskForm pools={pools} onClose={() => setEnqueuing(false)} />}
      {taskId && (
        <TaskDialog
          key={taskId}
          id={taskId}
          clockOffset={clockOffset}
          steer={steer}
          pools={pools}
          onClose={() => open(below)}
        />
      )}
    </>
  );
}

function Navigation({ page, state: { mesh } }: { page: PageName | undefined; state: MeshState }) {
  const counts = Object.values(mesh?.snapshot.pools ?? {});
  const badges: Partial<Record<PageName, number>> = {
    tasks: counts.reduce((sum, { failed, acknowledged }) => sum + failed - acknowledged, 0),
    circuits: mesh?.snapshot.circuits.length ?? 0,
  };
  const meaning: Partial<Record<PageName, string>> = { tasks: 'failed', circuits: 'open' };
  return (
    <nav class="pages" aria-label="Pages">
      {Object.entries(PAGES).map(([name, title]) => {
        const badge = badges[name as PageName] ?? 0;
        return (
          <a key={name} href={pageLink(name as PageName)} aria-current={name === page ? 'page' : undefined}>
            {title}
            {badge > 0 && (
              <span class="badge">
                {number(badge)}
                <span class="hidden"> {meaning[name as PageName]}</span>
              </span>
            )}
          </a>
        );
      })}
      <a href="/queues">Raw queues</a>
    </nav>
  );
}

function Page(props: {
  page: PageName | undefined;
  query: URLSearchParams;
  state: MeshState;
  now: number;
  steer: boolean;
}) {
  const { page, query, state, now, steer } = props;
  const { mesh, runsVersion } = state;
  if (page === undefined) {
    return (
      <p class="empty">
        There is no such page. <a href={pageLink('')}>Overview</a>
      </p>
    );
  }
  if (!mesh) return <p class="empty">Reading the mesh…</p>;
  const { snapshot } = mesh;
  const nodes = mesh.nodes.map(({ id }) => id);
  // Lists are read again after any change to a task.
  const signal = `${JSON.stringify(snapshot.pools)} ${runsVersion}`;
  switch (page) {
    case '':
      return <Overview state={state} now={now} steer={steer} />;
    case 'tasks':
      return <TasksPage query={query} signal={signal} snapshot={snapshot} nodes={nodes} now={now} steer={steer} />;
    case 'pools':
      return <PoolsPage snapshot={snapshot} steer={steer} />;
    case 'schedules':
      return <SchedulesPage pools={Object.keys(snapshot.pools)} now={now} steer={steer} />;
    case 'circuits':
      return <CircuitsPage now={now} steer={steer} />;
    case 'handovers':
      return <HandoversPage signal={signal} now={now} />;
    case 'events':
      return <EventsPage query={query} nodes={nodes} now={now} />;
    case 'usage':
      return <UsagePage now={now} />;
  }
}

/** The page of the address. A task opens over the page from which it was opened, `below`, and closing it returns there. */
function usePage() {
  const hash = useRoute();
  const route = parseRoute(hash);
  const last = useRef('/');
  if (route.taskId === undefined) last.current = hash || '/';
  const below = last.current;
  const page = parseRoute(below);
  const shown = useRef(page.page);
  useEffect(() => {
    // The keyboard starts at the new page; the first page has the whole document.
    if (shown.current !== page.page) {
      shown.current = page.page;
      scrollTo(0, 0);
      document.getElementById('content')?.focus({ preventScroll: true });
    }
  }, [page.page]);
  return { route: page, below: `#${below}`, taskId: route.taskId };
}

applyTheme();
const place = document.getElementById('app');
if (place) render(location.pathname === '/login' ? <LoginForm /> : <App />, place);
