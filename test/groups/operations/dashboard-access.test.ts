import { chmodSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

const json = { 'content-type': 'application/json' };

interface Try {
  readonly what: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly expected: number;
}

/** As it is: `fetch` would tidy paths and leave out some headers. */
function send(port: number, { method = 'GET', path, headers = {}, body }: Try) {
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers, setHost: !('host' in headers) },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          // A live view would never end.
          if (response.headers['content-type']?.startsWith('text/event-stream')) response.destroy();
        });
        response.on('close', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('access to the dashboard', () => {
  let redis: SpawnedRedis;
  let server: CliProcess;
  let port: number;
  let session: string;
  const token = 'a-token-of-this-test';

  beforeAll(async () => {
    redis = await SpawnedRedis.start();
    port = await reservePort();
    const config = configWith(`port: ${port}, token: "${token}"`);
    server = new CliProcess(['--config', config, 'dashboard']);
    await server.waitFor(/dashboard of mesh/);
    await runCli(['--config', config, 'enqueue', 'secret message']);
    const login = await send(port, {
      what: '',
      method: 'POST',
      path: '/login',
      headers: { ...json, origin: `http://127.0.0.1:${port}` },
      body: JSON.stringify({ token }),
      expected: 200,
    });
    expect(login.status).toBe(200);
    session = String(login.headers['set-cookie']);
  });
  afterAll(async () => {
    await server?.kill();
    await redis?.stop();
  });

  function configWith(dashboard: string): string {
    return writeConfig(
      `mesh: m\nredis: {url: "${redis.url}"}\nopenclaw: {mode: simulate}\ndashboard: {${dashboard}}\n`,
    );
  }

  it('refuses every kind of request without a login', async () => {
    const cookie = session.split(';')[0] ?? '';
    const own = `http://127.0.0.1:${port}`;
    const tampered = cookie.replace(/=(\d+)/, (_, ends) => `=${Number(ends) + 1_000_000}`);
    const enqueue = { method: 'POST', path: '/api/v1/tasks', body: JSON.stringify({ message: 'forged' }) };
    const tries: Try[] = [
      { what: 'no token, page', path: '/', headers: { accept: 'text/html' }, expected: 303 },
      { what: 'no token, page without Accept', path: '/', expected: 401 },
      { what: 'no token, tasks', path: '/api/v1/tasks', expected: 401 },
      { what: 'no token, live view', path: '/api/v1/live', expected: 401 },
      { what: 'no token, metrics', path: '/metrics', expected: 401 },
      { what: 'no token, raw queues', path: '/queues', expected: 401 },
      { what: "no token, raw queues' API", path: '/queues/api/queues', expected: 401 },
      { what: "no token, raw queues' files", path: '/queues/static/../api/queues', expected: 401 },
      { what: 'no token, what is not there', path: '/nothing', expected: 401 },
      { what: 'no token, HEAD', method: 'HEAD', path: '/api/v1/tasks', expected: 401 },
      { what: 'no token, OPTIONS', method: 'OPTIONS', path: '/api/v1/tasks', expected: 401 },
      { what: 'no token, enqueue', ...enqueue, headers: json, expected: 401 },
      {
        what: 'no token, enqueue with method override',
        ...enqueue,
        path: '/api/v1/tasks?_method=GET',
        headers: { ...json, 'x-http-method-override': 'GET' },
        expected: 401,
      },
      { what: 'wrong token', path: '/api/v1/tasks', headers: { authorization: 'Bearer wrong' }, expected: 401 },
      { what: 'empty token', path: '/api/v1/tasks', headers: { authorization: 'Bearer ' }, expected: 401 },
      {
        what: 'token with another scheme',
        path: '/api/v1/tasks',
        headers: { authorization: `Basic ${token}` },
        expected: 401,
      },
      { what: 'token in the query', path: `/api/v1/tasks?token=${token}`, expected: 401 },
      {
        what: 'token as cookie',
        path: '/api/v1/tasks',
        headers: { cookie: `clawmesh_session=${token}` },
        expected: 401,
      },
      { what: 'session prolonged by hand', path: '/api/v1/tasks', headers: { cookie: tampered }, expected: 401 },
      {
        what: 'session without signature',
        path: '/api/v1/tasks',
        headers: { cookie: cookie.replace(/\.[^.]*$/, '') },
        expected: 401,
      },
      { what: 'empty session', path: '/api/v1/tasks', headers: { cookie: 'clawmesh_session=' }, expected: 401 },
      { what: 'path: double slash', path: '//api/v1/tasks', expected: 401 },
      { what: 'path: dot segments', path: '/assets/../api/v1/tasks', expected: 401 },
      { what: 'path: encoded dot segments', path: '/assets/%2e%2e/api/v1/tasks', expected: 401 },
      { what: 'path: encoded slash', path: '/assets%2f..%2fapi/tasks', expected: 401 },
      { what: 'path: backslash', path: '/assets\\..\\api\\tasks', expected: 401 },
      { what: 'path: upper case', path: '/API/v1/tasks', expected: 401 },
      { what: 'path: behind a public one', path: '/login/../api/v1/tasks', expected: 401 },
      { what: 'path: file of the server', path: '/assets/../../../../../etc/passwd', expected: 401 },
      { what: 'path: broken escape', path: '/%zz', expected: 400 },
      {
        what: 'header: X-Forwarded-For',
        path: '/api/v1/tasks',
        headers: { 'x-forwarded-for': '127.0.0.1' },
        expected: 401,
      },
      {
        what: 'header: X-Original-URL',
        path: '/login',
        headers: { 'x-original-url': '/api/v1/tasks', accept: 'text/html' },
        expected: 200,
      },
      {
        what: 'cross-site POST with the cookie',
        ...enqueue,
        headers: { ...json, cookie, origin: 'https://evil.example' },
        expected: 403,
      },
      {
        what: 'cross-site form with the cookie',
        ...enqueue,
        headers: { 'content-type': 'text/plain', cookie, origin: 'null' },
        expected: 403,
      },
      {
        what: 'cross-site fetch with the cookie',
        ...enqueue,
        headers: { ...json, cookie, 'sec-fetch-site': 'cross-site' },
        expected: 403,
      },
      {
        what: 'same-site, other host, with the cookie',
        ...enqueue,
        headers: { ...json, cookie, origin: `http://127.0.0.1:${port + 1}`, 'sec-fetch-site': 'same-site' },
        expected: 403,
      },
      {
        what: 'form without origin, with the cookie',
        ...enqueue,
        headers: { 'content-type': 'application/x-www-form-urlencoded', cookie },
        expected: 403,
      },
      {
        what: 'cross-site logout',
        method: 'POST',
        path: '/logout',
        headers: { ...json, cookie, origin: 'https://evil.example' },
        body: '{}',
        expected: 403,
      },
      {
        what: 'cross-site login',
        method: 'POST',
        path: '/login',
        headers: { ...json, origin: 'https://evil.example' },
        body: JSON.stringify({ token }),
        expected: 403,
      },
      {
        what: 'raw queues: retry with the cookie',
        method: 'PUT',
        path: '/queues/api/queues/default/retry/failed',
        headers: { ...json, cookie, origin: own },
        body: '{}',
        expected: 403,
      },
      { what: 'session: tasks', path: '/api/v1/tasks', headers: { cookie }, expected: 200 },
      { what: 'session: enqueue from the page', ...enqueue, headers: { ...json, cookie, origin: own }, expected: 201 },
      { what: 'token: metrics', path: '/metrics', headers: { authorization: `Bearer ${token}` }, expected: 200 },
      { what: 'anybody: health', path: '/healthz', expected: 200 },
      { what: 'anybody: the login page', path: '/login', expected: 200 },
    ];
    const rows: string[] = [];
    for (const attempt of tries) {
      const { status, text } = await send(port, attempt);
      rows.push(`${String(status).padEnd(4)} ${attempt.what}`);
      expect(`${attempt.what}: ${status}`).toBe(`${attempt.what}: ${attempt.expected}`);
      if (status >= 300) expect(text).not.toMatch(/secret message|clawmesh_mesh_|root:/);
    }
    console.log(rows.join('\n'));
    // Each refusal is on its way before anything was done: only the one from the page was queued.
    expect(
      (await send(port, { what: '', path: '/api/v1/tasks', headers: { cookie }, expected: 200 })).text.match(/forged/g),
    ).toHaveLength(1);
  });

  it.each([
    ['Latin-1', Buffer.from('{"message":"caf\xe9"}', 'latin1'), /the request is not UTF-8 text/],
    ['half a character', String.raw`{"message":"cut \ud83d"}`, /message: contains half a character/],
    ['half a character in a key', String.raw`{"message":"x","key":"\udc00"}`, /key: contains half a character/],
  ])('queues nothing for a request with %s', async (_, body, problem) => {
    const cookie = session.split(';')[0] ?? '';
    const headers = { ...json, cookie, origin: `http://127.0.0.1:${port}` };
    const { status, text } = await send(port, {
      what: '',
      method: 'POST',
      path: '/api/v1/tasks',
      headers,
      body,
      expected: 400,
    });
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatch(problem);
  });

  it('gives a session that only this site sends and no script reads, until its logout', async () => {
    expect(session).toMatch(/; HttpOnly/);
    expect(session).toMatch(/; SameSite=Strict/);
    expect(session).not.toContain(token);
    const cookie = session.split(';')[0] ?? '';
    const own = { ...json, cookie, origin: `http://127.0.0.1:${port}` };
    expect(
      (await send(port, { what: '', method: 'POST', path: '/logout', headers: own, body: '{}', expected: 200 })).status,
    ).toBe(200);
    expect((await send(port, { what: '', path: '/api/v1/tasks', headers: { cookie }, expected: 401 })).status).toBe(
      401,
    );
  });

  it('stops a client that guesses tokens', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const body = JSON.stringify({ token: `guess ${i}` });
      statuses.push(
        (await send(port, { what: '', method: 'POST', path: '/login', headers: json, body, expected: 401 })).status,
      );
    }
    expect(statuses.slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
    expect(statuses.at(-1)).toBe(429);
  });

  it('sends headers that keep other pages away', async () => {
    const { headers } = await send(port, { what: '', path: '/login', expected: 200 });
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/);
  });

  it('listens beyond this machine only with a token', async () => {
    const config = configWith(`host: 0.0.0.0, port: ${await reservePort()}`);
    const refused = await runCli(['--config', config, 'dashboard']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(
      /dashboard.host is 0.0.0.0, which other machines can reach, but dashboard.token is not set/,
    );
    const taken = await runCli(['--config', configWith(`port: ${port}`), 'dashboard']);
    expect(taken).toMatchObject({ code: 1 });
    expect(taken.stderr).toMatch(/can't listen on 127.0.0.1:\d+.*EADDRINUSE/);
  });

  describe('without a token in the config', () => {
    let open: CliProcess;
    let openPort: number;
    const home = emptyFolder();
    const file = join(home, 'm/dashboard.token');
    const start = async (settings = '') => {
      openPort = await reservePort();
      const config = configWith(`port: ${openPort}${settings}`);
      open = new CliProcess(['--config', config, 'dashboard'], { CLAWMESH_HOME: home });
      await open.waitFor(/login link, for one use within 10 minutes: \S+\n/);
      return config;
    };
    const post = (path: string, body: object, headers: Record<string, string> = {}) =>
      send(openPort, {
        what: '',
        method: 'POST',
        path,
        headers: { ...json, ...headers },
        body: JSON.stringify(body),
        expected: 0,
      });
    const codeOf = (text: string) => /\/login#(\S+)/.exec(text)?.[1] ?? '';
    afterEach(() => open.kill());

    it('lets no other user of this machine read or steer', async () => {
      await start();
      for (const path of ['/api/v1/tasks', '/api/v1/live', '/metrics', '/queues/api/queues']) {
        expect((await send(openPort, { what: '', path, expected: 401 })).status, path).toBe(401);
      }
      for (const path of [
        '/api/v1/tasks',
        '/api/v1/tasks/x/cancel',
        '/api/v1/nodes/x/drain',
        '/api/v1/pools/default/pause',
      ]) {
        expect((await post(path, { message: 'from another user’s shell' })).status, path).toBe(401);
        const own = { origin: `http://127.0.0.1:${openPort}`, 'sec-fetch-site': 'same-origin' };
        expect((await post(path, { message: 'from another user’s shell' }, own)).status, path).toBe(401);
      }
      const tasks = await runCli(['--config', configWith(`port: ${openPort}`), 'task', 'list', '--json']);
      expect(tasks.stdout).not.toContain('another user’s shell');
    });

    it('makes a token that only its user can read, and never prints it', async () => {
      const config = await start();
      const made = readFileSync(file, 'utf8').trim();
      expect(made).toMatch(/^[\w-]{43}$/);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(join(home, 'm')).mode & 0o077).toBe(0);
      const bearer = { authorization: `Bearer ${made}` };
      expect((await post('/api/v1/tasks', { message: 'x' }, bearer)).status).toBe(201);
      expect(open.output).not.toContain(made);
      await open.kill();
      const restarted = new CliProcess(['--config', config, 'dashboard'], { CLAWMESH_HOME: home });
      open = restarted;
      await restarted.waitFor(/dashboard of mesh/);
      expect(readFileSync(file, 'utf8').trim()).toBe(made);
    });

    it('prints a link that logs in once, and another on demand', async () => {
      const config = await start();
      const first = codeOf(open.output);
      const other = await runCli(['--config', config, 'dashboard', '--link'], { env: { CLAWMESH_HOME: home } });
      expect(other.stdout).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${openPort}/login#\\S+\\n$`));
      for (const code of [first, codeOf(other.stdout)]) {
        const login = await post('/login', { code });
        expect(login.status).toBe(200);
        const cookie = String(login.headers['set-cookie']);
        expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/);
        const headers = { cookie: cookie.split(';')[0] ?? '' };
        expect((await send(openPort, { what: '', path: '/api/v1/tasks', headers, expected: 200 })).status).toBe(200);
        expect((await post('/login', { code })).status, 'a second time').toBe(401);
      }
      for (const code of ['', '.', first.replace(/^\d/, '9'), String(first.split('.')[0])]) {
        expect((await post('/login', { code })).status, code).toBe(401);
      }
      const unknown = await runCli(['--config', config, 'dashboard', '--link'], {
        env: { CLAWMESH_HOME: emptyFolder() },
      });
      expect((await post('/login', { code: codeOf(unknown.stdout) })).status).toBe(401);
    });

    it('refuses its own token file if other users may read it', async () => {
      await start();
      await open.kill();
      chmodSync(file, 0o644);
      const refused = await runCli(['--config', configWith(`port: ${openPort}`), 'dashboard'], {
        env: { CLAWMESH_HOME: home },
      });
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toMatch(/dashboard\.token: contains the dashboard token, and other users may read.*\(rm /);
      chmodSync(file, 0o600);
    });

    it('responds only under names of this machine, and changes nothing in read-only mode', async () => {
      await start(', readOnly: true');
      const bearer = { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` };
      const rebound = { what: '', path: '/api/v1/tasks', headers: { ...bearer, host: 'evil.example' }, expected: 403 };
      expect((await send(openPort, rebound)).status).toBe(403);
      const seen = await send(openPort, { what: '', path: '/api/v1/tasks', headers: bearer, expected: 200 });
      expect(seen.status).toBe(200);
      for (const path of [
        '/api/v1/tasks',
        '/api/v1/tasks/x/cancel',
        '/api/v1/nodes/x/drain',
        '/api/v1/pools/default/pause',
      ]) {
        const { status, text } = await post(path, { message: 'x' }, bearer);
        expect([status, text]).toEqual([403, expect.stringMatching(/read-only/)]);
      }
      open.signal('SIGTERM');
      expect(await open.exited).toBe(0);
    });
  });
});
