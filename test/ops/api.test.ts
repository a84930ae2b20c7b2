import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { addApi } from '../../src/ops/dashboard/api/api.ts';
import { handleErrors } from '../../src/ops/dashboard/api/errors.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openClient } from '../support/client.ts';
import { schemaErrorsOf } from '../support/json-schemas.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';
import { sweepHow } from '../support/sweep-how.ts';

interface Route {
  readonly method: string;
  readonly url: string;
  readonly document: string | undefined;
}

describe('the HTTP API', () => {
  const mesh = meshPerTest('api');
  let client: Mesh;
  let app: FastifyInstance;
  let routes: Route[];

  const open = async (readOnly = false) => {
    const server = fastify();
    const found: Route[] = [];
    server.addHook('onRoute', ({ method, url, config }) => {
      for (const one of [method].flat()) found.push({ method: one, url, document: config?.document });
    });
    handleErrors(server, client, { error: () => {} });
    await addApi(server, { mesh: client, clock: systemClock, readOnly, log: { info: () => {} } });
    await server.ready();
    return { server, routes: found.filter(({ method }) => method !== 'HEAD') };
  };
  beforeEach(async () => {
    client = await openClient(mesh());
    ({ server: app, routes } = await open());
  });
  afterEach(async () => {
    await app.close();
    await client.close();
  });

  const send = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => {
    const payload = body ?? (method === 'POST' ? {} : undefined);
    const response = await app.inject({ method, url: `/api/v1${path}`, ...(payload && { payload }) });
    return { status: response.statusCode, body: response.json() };
  };
  const get = (path: string) => send('GET', path);
  const post = (path: string, body?: object) => send('POST', path, body);

  /** A node with this state that has claimed a task. */
  const runningTask = async (leaseMs = 600_000) => {
    const node = await mesh().node('mac-1');
    await mesh().registry.beat({ nodeId: 'mac-1', incarnation: 1 }, aNodeRecord({ leaseMs }), sweepHow('mac-1'));
    await mesh().producer.enqueue([newTask()]);
    return { node, claim: await claimNext(node) };
  };
  const failedTask = async (message: string, tags: Record<string, string> = {}) => {
    const node = await mesh().node('mac-1');
    await mesh().producer.enqueue([newTask({ message, tags, attempts: 1 })]);
    const claim = await claimNext(node);
    await node.report(claim, { ok: false, error: { kind: 'invalid', message: 'no such repo', retryable: false } });
    return claim.taskId;
  };

  it('returns the documents of the CLI for everything that a command can read', async () => {
    const { node, claim } = await runningTask();
    await node.report(claim, success);
    const failed = await failedTask('fails');
    await post('/schedules', { name: 'nightly', cron: '0 7 * * *', task: { message: 'x' } });
    const paths: Record<string, string> = {
      '/tasks/:id': `/tasks/${failed}`,
      '/tasks/:id/logs': `/tasks/${failed}/logs`,
      '/nodes/:id': '/nodes/mac-1',
    };
    const documented = routes.filter(({ method, document }) => method === 'GET' && document !== undefined);
    expect(documented.length).toBeGreaterThanOrEqual(12);
    for (const { url, document = '' } of documented) {
      const path = url.replace('/api/v1', '');
      const { status, body } = await get(paths[path] ?? path);
      expect({ path, status, errors: schemaErrorsOf(document, body) }).toEqual({ path, status: 200, errors: [] });
    }
  });

  it('has exactly the routes that its reference lists, and the live view', () => {
    const page = readFileSync(new URL('../../docs/reference/http-api.md', import.meta.url), 'utf8');
    const listed = [...page.matchAll(/^\| `(GET|POST|DELETE) (\S+)` \|/gm)].map(
      ([, method, path]) => `${method} ${path}`,
    );
    const served = routes.map(({ method, url }) => `${method} ${url.replace('/api/v1', '')}`);
    expect(listed.sort()).toEqual([...served, 'GET /live'].sort());
  });

  it('refuses everything that changes the mesh if it is read-only, and changes nothing', async () => {
    const { server } = await open(true);
    const changing = routes.filter(({ method }) => method !== 'GET');
    expect(changing.length).toBeGreaterThanOrEqual(20);
    for (const { method, url } of changing) {
      const response = await server.inject({ method: method as 'POST', url, payload: { message: 'x' } });
      expect({ url, status: response.statusCode }).toEqual({ url, status: 403 });
    }
    expect(await client.list()).toEqual([]);
    expect((await server.inject({ method: 'GET', url: '/api/v1/status' })).statusCode).toBe(200);
    await server.close();
  });

  describe('lists of tasks', () => {
    it('pages through all tasks exactly once, although new ones arrive between two pages', async () => {
      const queued = await client.enqueue(Array.from({ length: 25 }, (_, index) => ({ message: `task ${index}` })));
      const seen: string[] = [];
      let next: string | null = '';
      while (next !== null) {
        const { body } = await get(`/tasks?limit=10${next && `&cursor=${encodeURIComponent(next)}`}`);
        seen.push(...body.tasks.map(({ id }: { id: string }) => id));
        next = body.next;
        await client.enqueue({ message: 'arrives later' });
      }
      expect(seen).toEqual(queued.map(({ id }) => id).reverse());
    });

    it('filters by states, tag and words, and returns only the fields that were asked for', async () => {
      const failed = await failedTask('build the app', { repo: 'x' });
      await failedTask('build the app', { repo: 'y' });
      await client.enqueue({ message: 'build the app', tags: { repo: 'x' } });
      const { body } = await get(
        '/tasks?state=failed,completed&tag=repo=x&text=Build+repo&fields=id,message&excerpt=5',
      );
      expect(body).toEqual({ tasks: [{ id: failed, message: 'build' }], more: 0, next: null, complete: true });
      expect((await get('/tasks?state=failed&text=elsewhere')).body.tasks).toEqual([]);
    });

    it('filters by the time of the end or of the enqueue, backwards from now', async () => {
      await client.enqueue({ message: 'x' });
      expect((await get('/tasks?since=1h')).body.tasks).toHaveLength(1);
      expect((await get('/tasks?until=1h')).body.tasks).toEqual([]);
    });

    it.each([
      ['an unknown state', '/tasks?state=broken', 400, /^state\.0: /],
      ['an unknown filter', '/tasks?stat=failed', 400, /Unrecognized key: "stat"/],
      ['a time without a unit', '/tasks?since=5', 400, /^since: expected a duration/],
      ['a tag without a value', '/tasks?tag=repo', 400, /^tag: /],
      ['a limit beyond the maximum', '/tasks?limit=100000', 400, /^limit: /],
      ['a cursor that is none', '/tasks?cursor=x', 400, /^cursor: expected the value of next/],
      ['an unknown pool', '/tasks?pool=nosuch', 404, /no pool nosuch/],
      ['an unknown node', '/tasks?node=nosuch', 404, /no node nosuch/],
      ['an unknown task', '/tasks/nosuch', 404, /no task nosuch/],
    ])('answers %s with one line that says what is wrong', async (_what, path, status, problem) => {
      const response = await get(path);
      expect(response.status).toBe(status);
      expect(response.body.error).toMatch(problem);
      expect(response.body.error).not.toContain('\n');
    });
  });

  describe('steering tasks', () => {
    it('enqueues one task or several, and none if one is invalid', async () => {
      expect(await post('/tasks', { message: 'one', tags: { repo: 'x' }, attempts: 2, timeout: '5m' })).toMatchObject({
        status: 201,
        body: { tasks: [{ pool: 'default', state: 'waiting', duplicate: false }] },
      });
      const several = [{ message: 'two' }, { message: 'three', pol: 'xcode' }];
      const { status, body } = await app
        .inject({ method: 'POST', url: '/api/v1/tasks', payload: several })
        .then((response) => ({ status: response.statusCode, body: response.json() }));
      expect(status).toBe(400);
      expect(body).toEqual({
        error: 'task 2: pol: unknown field; did you mean "pool"?',
        fix: 'nothing was queued',
      });
      expect(await client.list()).toMatchObject([{ message: 'one', tags: { repo: 'x' }, timeoutMs: 300_000 }]);
    });

    it('cancels a task, and fails to cancel it again', async () => {
      const [task] = await client.enqueue({ message: 'x' });
      const path = `/tasks/${task?.id}/cancel`;
      expect(await post(path)).toEqual({
        status: 200,
        body: { tasks: [{ id: task?.id, outcome: 'cancelled' }], errors: [] },
      });
      expect(await post(path)).toMatchObject({
        status: 409,
        body: { error: `task ${task?.id} has already ended`, fix: `see clawmesh task show ${task?.id}` },
      });
    });

    it('acknowledges, retries and removes a failed task', async () => {
      const id = await failedTask('x');
      expect((await post(`/tasks/${id}/ack`)).body.tasks).toEqual([{ id, outcome: 'acknowledged' }]);
      expect((await client.get(id))?.acknowledgedAt).not.toBeNull();
      expect((await post(`/tasks/${id}/retry`)).body.tasks).toEqual([{ id, outcome: 'queued again' }]);
      expect((await client.get(id))?.state).toBe('waiting');
      expect((await send('DELETE', `/tasks/${id}`)).body.tasks).toEqual([{ id, outcome: 'removed' }]);
      expect(await client.get(id)).toBeUndefined();
    });

    it('applies an action to many tasks, and reports those for which it failed', async () => {
      const failed = [await failedTask('a'), await failedTask('b')];
      const [waiting] = await client.enqueue({ message: 'c' });
      const { body } = await post('/tasks/retry', { ids: [...failed, waiting?.id, 'nosuch'] });
      expect(body.tasks.map(({ id }: { id: string }) => id)).toEqual(failed);
      expect(body.errors).toEqual([`task ${waiting?.id} is waiting`, 'no task nosuch']);
      expect((await client.list({ state: 'waiting' })).length).toBe(3);
    });

    it('refuses more tasks at once than it steers within a request', async () => {
      const ids = Array.from({ length: 101 }, (_, index) => `task-${index}`);
      expect(await post('/tasks/cancel', { ids })).toMatchObject({ status: 400 });
      expect(await post('/tasks/cancel', { ids: [] })).toMatchObject({ status: 400 });
    });

    it('runs a task again as a new one with changed input, and keeps what was not changed', async () => {
      const [original] = await client.enqueue({
        message: 'build',
        agent: 'coder',
        model: 'p/m',
        priority: 3,
        attempts: 2,
        timeout: '90s',
        idleTimeout: '20s',
        require: { os: 'macos' },
        key: 'only-once',
        tags: { repo: 'x' },
      });
      const { body: input } = await get(`/tasks/${original?.id}/input`);
      expect(input).toEqual({
        message: 'build',
        pool: 'default',
        agent: 'coder',
        model: 'p/m',
        priority: 3,
        attempts: 2,
        timeout: '90s',
        idleTimeout: '20s',
        require: { os: 'macos' },
        tags: { repo: 'x' },
      });
      const { status, body } = await post(`/tasks/${original?.id}/rerun`, { message: 'build again', model: null });
      expect(status).toBe(201);
      const id = body.tasks[0].id;
      expect(id).not.toBe(original?.id);
      const { model: _gone, ...kept } = input;
      expect(await client.task.inputOf(id)).toEqual({ ...kept, message: 'build again' });
      expect(await post(`/tasks/${original?.id}/rerun`, { pool: 'NOT A POOL' })).toMatchObject({ status: 400 });
    });
  });

  describe('the header Idempotency-Key', () => {
    const enqueue = async (key: string, payload: object) => {
      const headers = { 'idempotency-key': key };
      const response = await app.inject({ method: 'POST', url: '/api/v1/tasks', headers, payload });
      return { status: response.statusCode, body: response.json() };
    };

    it('means the same as the field key, with and without quotes', async () => {
      const first = await enqueue('build-7', { message: 'build' });
      expect(first).toMatchObject({ status: 201, body: { tasks: [{ duplicate: false }] } });
      const again = [
        await enqueue('"build-7"', { message: 'build' }),
        await enqueue('build-7', { message: 'build', key: 'build-7' }),
        await post('/tasks', { message: 'build', key: 'build-7' }),
      ];
      const { id } = first.body.tasks[0];
      for (const { body } of again) expect(body.tasks).toMatchObject([{ id, duplicate: true }]);
    });

    it.each([
      ['differs from the field', 'a', { message: 'x', key: 'b' }, /Idempotency-Key and the field key differ/],
      ['comes with a list', 'a', [{ message: 'x' }], /Idempotency-Key is for one task/],
      ['contains a space', 'a b', { message: 'x' }, /^key: expected an idempotency key/],
      ['is empty', '', { message: 'x' }, /^key: expected an idempotency key/],
      ['is too long', 'a'.repeat(300), { message: 'x' }, /idempotency-key: /],
    ])('queues nothing if it %s', async (_what, key, payload, error) => {
      expect(await enqueue(key, payload)).toMatchObject({ status: 400, body: { error: expect.stringMatching(error) } });
      expect(await client.list()).toEqual([]);
    });
  });

  it('describes all its routes in a valid OpenAPI document', async () => {
    const { body: document } = await get('/openapi.json');
    const { valid, errors } = await new Validator().validate(document);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    const described = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = routes.map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    expect(described.sort()).toEqual(served.sort());
    const operations = Object.values<Record<string, { operationId: string; summary: string }>>(document.paths).flatMap(
      (item) => Object.values(item),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    expect(operations.filter(({ summary }) => summary === '' || summary.includes('undefined'))).toEqual([]);
  });

  it('describes input and output of a route by the types that it checks and returns', async () => {
    const { body: document } = await get('/openapi.json');
    const { post: enqueue } = document.paths['/api/v1/tasks'];
    expect(enqueue.parameters).toMatchObject([{ name: 'idempotency-key', in: 'header', required: false }]);
    expect(enqueue.requestBody.content['application/json'].schema.anyOf[0]).toEqual({
      $ref: '#/components/schemas/TaskInput',
    });
    expect(document.components.schemas.TaskInput.required).toEqual(['message']);
    expect(Object.keys(enqueue.responses)).toEqual(['201', 'default']);
    const list = document.paths['/api/v1/tasks'].get;
    expect(list.parameters.map(({ name }: { name: string }) => name)).toContain('state');
    expect(list.responses[200].content['application/json'].schema).toEqual({ $ref: '#/components/schemas/task-list' });
    expect(document.paths['/api/v1/hooks/{name}'].post.security).toEqual([{ signature: [] }, { githubSignature: [] }]);
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(document.components.schemas).toHaveProperty([name]);
    }
  });

  describe('steering nodes, pools, schedules and circuits', () => {
    it('requeues the tasks of an evicted node at once', async () => {
      const { claim } = await runningTask();
      expect(await post('/nodes/mac-1/evict')).toEqual({
        status: 200,
        body: { id: 'mac-1', requeued: [claim.taskId] },
      });
      expect(await client.get(claim.taskId)).toMatchObject({ state: 'waiting', handovers: 1 });
    });

    it('drains and resumes a node', async () => {
      const { claim } = await runningTask();
      const { body } = await post('/nodes/mac-1/drain');
      expect(body).toMatchObject({ id: 'mac-1', wanted: 'drain', running: [claim.taskId] });
      expect(schemaErrorsOf('node drain', body)).toEqual([]);
      expect(await mesh().registry.wanted('mac-1')).toBe('drain');
      expect(await post('/nodes/mac-1/resume')).toMatchObject({ status: 200, body: { wanted: 'resume' } });
      expect(await mesh().registry.wanted('mac-1')).toBeUndefined();
    });

    it('forgets a node that is away, and no other', async () => {
      const { node, claim } = await runningTask();
      await node.report(claim, success);
      expect(await post('/nodes/mac-1/forget')).toMatchObject({ status: 409, body: { error: 'node mac-1 is up' } });
      await post('/nodes/mac-1/evict');
      expect((await post('/nodes/mac-1/forget')).body).toEqual({
        id: 'mac-1',
        forgotten: true,
        inInventory: false,
        waiting: 0,
      });
      expect(await client.nodes()).toEqual([]);
    });

    it('pauses and resumes a pool', async () => {
      await mesh().producer.enqueue([newTask()]);
      expect(await post('/pools/default/pause')).toMatchObject({ body: { pool: 'default', paused: true } });
      expect((await client.pool.counts()).get('default')?.paused).toBe(true);
      expect(await post('/pools/default/resume')).toMatchObject({ body: { pool: 'default', paused: false } });
      expect((await client.pool.counts()).get('default')?.paused).toBe(false);
    });

    it('adds, pauses, resumes and removes a schedule', async () => {
      const added = await post('/schedules', { name: 'watch', every: '30m', task: { message: 'look', pool: 'night' } });
      expect(added).toMatchObject({ status: 201, body: { name: 'watch', everyMs: 1_800_000, pool: 'night' } });
      expect((await post('/schedules/watch/pause')).body).toMatchObject({ name: 'watch', paused: true });
      expect((await post('/schedules/watch/resume')).body).toMatchObject({ name: 'watch', paused: false });
      expect(await send('DELETE', '/schedules/watch')).toEqual({ status: 200, body: { name: 'watch', removed: true } });
      expect((await get('/schedules/watch')).status).toBe(404);
    });

    it('adds no schedule with an invalid time or task', async () => {
      const add = (more: object) => post('/schedules', { name: 'bad', task: { message: 'x' }, ...more });
      expect(await add({ cron: '61 * * * *' })).toMatchObject({ status: 400 });
      expect(await add({})).toMatchObject({ status: 400, body: { error: 'no times given' } });
      expect(await add({ every: '30m', task: { message: ' ' } })).toMatchObject({
        status: 400,
        body: { error: 'message: must not be empty', fix: 'nothing was scheduled' },
      });
      expect((await get('/schedules')).body.schedules).toEqual([]);
    });

    it('closes the circuit of a provider, whose name may contain a slash', async () => {
      const { redis, keys } = mesh();
      const open = { failures: 3, kind: 'provider', message: '500', openedAt: 1, dueAt: 2, tasks: [] };
      await redis.hset(keys.circuits, 'p/m', JSON.stringify(open));
      expect((await get('/circuits')).body.circuits).toMatchObject([{ name: 'p/m', held: 0 }]);
      expect(await post('/circuits/p%2Fm/close')).toEqual({
        status: 200,
        body: { name: 'p/m', closed: true, released: 0 },
      });
      expect((await post('/circuits/nosuch/close')).status).toBe(404);
    });
  });

  it('returns how long the tasks of each pool waited and ran', async () => {
    const { node, claim } = await runningTask();
    await node.report(claim, success);
    const { body } = await get('/pools/times?since=1h');
    expect(body.pools).toMatchObject([{ pool: 'default', ended: 1, sampled: 1 }]);
    expect(Object.keys(body.pools[0].run)).toEqual(['p50', 'p95', 'p99']);
  });
});
