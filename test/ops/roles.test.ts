import cookie from '@fastify/cookie';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { addApi } from '../../src/ops/dashboard/api/api.ts';
import { handleErrors } from '../../src/ops/dashboard/api/errors.ts';
import { SESSION_COOKIE } from '../../src/ops/http/access.ts';
import { guard } from '../../src/ops/http/guard.ts';
import { Login } from '../../src/ops/http/login.ts';
import { openClient } from '../support/client.ts';
import { meshPerTest } from '../support/pool.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('the roles of tokens', () => {
  const mesh = meshPerTest('roles');
  const clock = new VirtualClock();
  const login = new Login('main-token', 'm', clock, [
    { name: 'wall', token: 'a-token-of-a-viewer', role: 'viewer' },
    { name: 'ci', token: 'a-token-of-builds', role: 'operator' },
  ]);
  let client: Mesh;
  let app: FastifyInstance;
  let changing: { method: 'POST' | 'DELETE'; url: string }[];
  const changes: unknown[] = [];

  beforeEach(async () => {
    client = await openClient(mesh());
    app = fastify();
    changes.length = 0;
    changing = [];
    app.addHook('onRoute', ({ method, url, config }) => {
      if (config?.signed) return;
      if (method === 'POST' || method === 'DELETE') changing.push({ method, url } as (typeof changing)[number]);
    });
    await app.register(cookie);
    handleErrors(app, client, { error: () => {} });
    guard(app, login, undefined);
    await addApi(app, {
      mesh: client,
      clock,
      readOnly: false,
      log: { info: (change: unknown) => void changes.push(change) },
    });
  });
  afterEach(async () => {
    await app.close();
    await client.close();
  });

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const sessionOf = (name: string) => ({
    cookie: `${SESSION_COOKIE}=${login.newSession({ name })}`,
    'content-type': 'application/json',
  });
  const enqueue = async (headers: Record<string, string>) => {
    const response = await app.inject({ method: 'POST', url: '/api/v1/tasks', headers, payload: { message: 'x' } });
    return response.statusCode;
  };

  it.each([
    ['token', bearer('a-token-of-a-viewer')],
    ['session', sessionOf('wall')],
  ])('let the %s of a viewer read, and refuse every change', async (_what, headers) => {
    expect((await app.inject({ url: '/api/v1/tasks', headers })).statusCode).toBe(200);
    expect(changing.length).toBeGreaterThanOrEqual(20);
    for (const { method, url } of changing) {
      const response = await app.inject({ method, url, headers, payload: { message: 'x' } });
      expect({ url, status: response.statusCode, body: response.json() }).toEqual({
        url,
        status: 403,
        body: { error: 'the token wall is of a viewer, who may only read', fix: null },
      });
    }
    expect(await client.list()).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('let operators change the mesh, and log who did', async () => {
    expect(await enqueue(bearer('a-token-of-builds'))).toBe(201);
    expect(await enqueue(sessionOf('ci'))).toBe(201);
    expect(await enqueue(bearer('main-token'))).toBe(201);
    const change = { method: 'POST', path: '/api/v1/tasks' };
    expect(changes).toEqual(['ci', 'ci', 'dashboard.token'].map((by) => ({ by, ...change })));
  });

  it('are those of the token if a request also has the session of a viewer', async () => {
    expect(await enqueue({ ...sessionOf('wall'), ...bearer('a-token-of-builds') })).toBe(201);
    expect(await enqueue({ ...sessionOf('ci'), ...bearer('a-token-of-a-viewer') })).toBe(403);
  });

  it('log no change that was refused', async () => {
    const headers = bearer('a-token-of-builds');
    const { statusCode } = await app.inject({
      method: 'POST',
      url: '/api/v1/tasks',
      headers,
      payload: { message: ' ' },
    });
    expect(statusCode).toBe(400);
    expect(changes).toEqual([]);
  });

  it.each([
    ['a-token-of-a-viewer', { readOnly: true, user: 'wall', role: 'viewer' }],
    ['a-token-of-builds', { readOnly: false, user: 'ci', role: 'operator' }],
    ['main-token', { readOnly: false, user: 'dashboard.token', role: 'operator' }],
  ])('tell the page of %s whether to show what changes the mesh', async (token, session) => {
    expect((await app.inject({ url: '/api/v1/session', headers: bearer(token) })).json()).toMatchObject(session);
  });
});
