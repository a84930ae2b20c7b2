import { createHmac } from 'node:crypto';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { reservePort } from '../../support/ports.ts';
import { SpawnedRedis } from '../../support/redis.ts';

const VIEWER = 'the-token-of-the-wall';
const OPERATOR = 'the-token-of-the-builds';
const SECRET = 'the secret of the hook';

describe('the HTTP API of a running dashboard', () => {
  let redis: SpawnedRedis;
  let server: CliProcess;
  let config: string;
  let url: string;

  beforeAll(async () => {
    redis = await SpawnedRedis.start();
    const port = await reservePort();
    url = `http://127.0.0.1:${port}`;
    config = writeConfig(`
mesh: m
redis: {url: "${redis.url}"}
openclaw: {mode: simulate}
dashboard:
  port: ${port}
  token: the-main-token
  tokens: [{name: wall, token: ${VIEWER}, role: viewer}, {name: ci, token: ${OPERATOR}, role: operator}]
hooks:
  review: {secret: ${SECRET}, task: {message: "Review {{body.pull_request.title}}", pool: night}}
`);
    server = new CliProcess(['--config', config, 'dashboard']);
    await server.waitFor(/dashboard of mesh/);
  });
  afterAll(async () => {
    await server?.kill();
    await redis?.stop();
  });

  const send = async (
    path: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
  ) => {
    const json = { 'content-type': 'application/json', ...headers };
    const response = await fetch(
      `${url}${path}`,
      body === undefined ? { headers } : { method: 'POST', headers: json, body },
    );
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const as = (token: string) => ({ authorization: `Bearer ${token}` });

  it('describes only routes that it serves, the live view included, in a valid OpenAPI document', async () => {
    const { body: document } = await send('/api/v1/openapi.json', { headers: as(VIEWER) });
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
    expect(Object.keys(document.paths)).toContain('/api/v1/live');
    for (const [path, item] of Object.entries<object>(document.paths)) {
      for (const method of Object.keys(item)) {
        // Without a token, the server would refuse a path that does not exist with the same status.
        const headers = { ...as(method === 'get' ? VIEWER : 'the-main-token'), 'content-type': 'application/json' };
        const abort = new AbortController();
        const request = { method: method.toUpperCase(), headers, signal: abort.signal };
        const response = await fetch(`${url}${path.replaceAll(/\{\w+\}/g, 'nosuch')}`, request);
        if (path !== '/api/v1/live') expect(await response.text(), `${method} ${path}`).not.toContain('no such page');
        else expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
        abort.abort();
      }
    }
    expect((await send('/api/v1/openapi.json')).status).toBe(401);
  });

  it('lets the token of a viewer read, log in and log out, and change nothing', async () => {
    const login = await fetch(`${url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: VIEWER }),
    });
    const cookie = String(login.headers.get('set-cookie')).split(';')[0] as string;
    expect(await send('/api/v1/session', { headers: { cookie } })).toMatchObject({
      status: 200,
      body: { mesh: 'm', readOnly: true, user: 'wall', role: 'viewer' },
    });
    const body = JSON.stringify({ message: 'from a viewer' });
    for (const headers of [as(VIEWER), { cookie, origin: url }]) {
      expect((await send('/api/v1/tasks', { headers, body })).status).toBe(403);
      expect((await send('/api/v1/tasks', { headers })).status).toBe(200);
    }
    expect((await send('/logout', { headers: { cookie, origin: url }, body: '{}' })).status).toBe(200);
    expect((await send('/api/v1/tasks', { headers: { cookie } })).status).toBe(401);
    const { stdout } = await runCli(['--config', config, 'task', 'list', '--json']);
    expect(stdout).not.toContain('from a viewer');
  });

  it('queues a task once per Idempotency-Key, and logs whose token it was', async () => {
    const request = { headers: { ...as(OPERATOR), 'idempotency-key': 'build-7' }, body: '{"message":"build"}' };
    const first = await send('/api/v1/tasks', request);
    const again = await send('/api/v1/tasks', request);
    const { id } = first.body.tasks[0];
    expect([first, again].map(({ status, body }) => [status, body.tasks[0].id, body.tasks[0].duplicate])).toEqual([
      [201, id, false],
      [201, id, true],
    ]);
    await expect.poll(() => server.output).toMatch(/"by":"ci","method":"POST","path":"\/api\/v1\/tasks"/);
    expect(server.output).not.toContain(OPERATOR);
  });

  it('queues the task of a hook for a signed request without a token, once', async () => {
    const body = '{"pull_request":{"title":"the new form"}}';
    const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
    const request = { headers: { 'x-hub-signature-256': signature, 'x-github-event': 'pull_request' }, body };
    const first = await send('/api/v1/hooks/review', request);
    expect(first).toMatchObject({ status: 202, body: { duplicate: false } });
    expect(await send('/api/v1/hooks/review', request)).toEqual({
      status: 202,
      body: { id: first.body.id, duplicate: true },
    });
    expect((await send('/api/v1/hooks/review', { body })).status).toBe(401);
    expect((await send('/api/v1/hooks/review', { ...request, body: `${body} ` })).status).toBe(401);
    expect((await send('/api/v1/hooks/other', request)).status).toBe(404);
    expect((await send('/api/v1/hooks/review', { headers: as('the-main-token'), body })).status).toBe(401);
    const { stdout } = await runCli(['--config', config, 'task', 'list', '--tag', 'hook=review', '--json']);
    expect(JSON.parse(stdout).tasks).toMatchObject([
      { id: first.body.id, message: 'Review the new form', pool: 'night' },
    ]);
  });

  it('limits the rate of a hook, also for requests that it refuses', async () => {
    let status = 0;
    for (let i = 0; i < 310 && status !== 429; i++) {
      ({ status } = await send('/api/v1/hooks/nosuch', { body: '{}' }));
    }
    expect(status).toBe(429);
  });
});
