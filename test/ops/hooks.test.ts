import { createHmac } from 'node:crypto';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { webhookHeaders } from '../../src/node/send-answer.ts';
import { addApi } from '../../src/ops/dashboard/api/api.ts';
import { handleErrors } from '../../src/ops/dashboard/api/errors.ts';
import { openClient } from '../support/client.ts';
import { meshPerTest } from '../support/pool.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const secret = 'the secret of this test';
const github = (body: string | Buffer) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
});

describe('a hook', () => {
  const mesh = meshPerTest('hooks');
  let client: Mesh;
  let app: FastifyInstance;
  let clock: VirtualClock;
  const changes: unknown[] = [];

  beforeEach(async () => {
    clock = new VirtualClock();
    client = await openClient(mesh(), {
      hooks: {
        review: {
          secret,
          task: {
            message: 'Review {{body.pull.title}}',
            pool: 'night',
            agent: 'coder',
            attempts: 2,
            timeout: '5m',
            deliver: 'slack:C0123',
          },
        },
      },
    });
    app = fastify();
    handleErrors(app, client, { error: () => {} });
    changes.length = 0;
    const log = { info: (change: unknown) => void changes.push(change) };
    await addApi(app, { mesh: client, clock, readOnly: false, log });
  });
  afterEach(async () => {
    await app.close();
    await client.close();
  });

  const body = JSON.stringify({ pull: { title: 'the form' } });
  const signed = (text: string, ago = 0, key = secret) =>
    webhookHeaders(text, { idempotencyKey: 'x', secret: key, now: clock.now() - ago });
  const call = async (text: string | Buffer, headers: Record<string, string>, name = 'review') => {
    const response = await app.inject({
      method: 'POST',
      url: `/api/v1/hooks/${name}`,
      headers: { 'content-type': 'application/json', ...headers },
      payload: text,
    });
    return { status: response.statusCode, body: response.json() };
  };

  it('queues its task, with the text of the body in the message', async () => {
    const { status, body: answer } = await call(body, signed(body));
    expect({ status, answer }).toEqual({ status: 202, answer: { id: expect.any(String), duplicate: false } });
    expect(await client.get(answer.id)).toMatchObject({
      message: 'Review the form',
      pool: 'night',
      agent: 'coder',
      attempts: { made: 0, max: 2 },
      tags: { hook: 'review' },
      delivery: { to: 'slack:C0123' },
    });
    expect(await client.task.inputOf(answer.id)).toMatchObject({ timeout: '5m' });
    expect(changes).toEqual([{ by: 'hook review', method: 'POST', path: '/api/v1/hooks/review' }]);
  });

  it('accepts the signature of GitHub, with any type of content', async () => {
    const { status } = await call(body, { ...github(body), 'content-type': 'application/vnd.github+json' });
    expect(status).toBe(202);
  });

  it('returns the original task for a request that is sent again', async () => {
    for (const headers of [signed(body), github(body)]) {
      const first = await call(body, headers);
      expect(await call(body, headers)).toEqual({ status: 202, body: { id: first.body.id, duplicate: true } });
    }
    expect(await client.list()).toHaveLength(2);
  });

  it('accepts a signature for five minutes, in both directions', async () => {
    expect((await call(body, signed(body, 300_000))).status).toBe(202);
    expect((await call(body, signed(body, -300_000))).status).toBe(202);
    for (const ago of [301_000, -301_000]) {
      expect(await call(body, signed(body, ago))).toMatchObject({
        status: 401,
        body: { error: expect.stringMatching(/more than 5 minutes/) },
      });
    }
  });

  it.each([
    ['without a signature', () => ({}), /sign the request/],
    ['signed with another secret', () => signed(body, 0, 'another secret'), /the signature is wrong/],
    ['with the signature of another body', () => signed(`${body} `), /the signature is wrong/],
    ["with GitHub's signature of another body", () => github(`${body} `), /the signature is wrong/],
    [
      'whose time was changed',
      () => ({ 'clawmesh-signature': sign(signed(body)).replace(/t=\d/, 't=9') }),
      /the signature is wrong/,
    ],
    ['with half a signature', () => ({ 'clawmesh-signature': 't=1,v1=abc' }), /expected t=<Unix time>/],
    [
      'with an own signature that is empty, and a right one of GitHub',
      () => ({ ...github(body), 'clawmesh-signature': '' }),
      /expected t=/,
    ],
    ['with the wrong digest', () => ({ 'x-hub-signature-256': 'sha1=abc' }), /sign the request/],
  ])('refuses a request %s, and queues nothing', async (_what, headers, error) => {
    expect(await call(body, headers())).toMatchObject({ status: 401, body: { error: expect.stringMatching(error) } });
    expect(await client.list()).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('checks the signature before it reads the body as JSON', async () => {
    expect((await call('{', signed('['))).status).toBe(401);
    expect(await call('{', signed('{'))).toMatchObject({ status: 400, body: { error: 'the request is not JSON' } });
    const latin = Buffer.from('{"pull":{"title":"caf\xe9"}}', 'latin1');
    expect(await call(latin, github(latin))).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/is not UTF-8 text/) },
    });
  });

  it('names the values that the body lacks', async () => {
    const other = '{"pull":{"title":["x"]}}';
    expect(await call(other, signed(other))).toEqual({
      status: 422,
      body: {
        error: 'the body has no text, number or boolean body.pull.title',
        fix: 'send it, or change hooks.review.task.message',
      },
    });
    expect(await client.list()).toEqual([]);
  });

  it('refuses text that no task may contain', async () => {
    const half = String.raw`{"pull":{"title":"\ud83d"}}`;
    expect(await call(half, signed(half))).toMatchObject({
      status: 422,
      body: { error: expect.stringMatching(/half a character/) },
    });
  });

  it('does not exist under any other name', async () => {
    for (const name of ['nosuch', 'constructor', '__proto__']) {
      expect(await call(body, signed(body), name)).toMatchObject({ status: 404, body: { error: `no hook ${name}` } });
    }
  });

  it('accepts 256 KiB and no more', async () => {
    const frame = JSON.stringify({ pull: { title: '' } }).length;
    const most = JSON.stringify({ pull: { title: 'x'.repeat(256 * 1_024 - frame) } });
    expect((await call(most, signed(most))).status).toBe(202);
    expect((await call(`${most} `, signed(`${most} `))).status).toBe(413);
  });
});

function sign(headers: Record<string, string>): string {
  return headers['clawmesh-signature'] ?? '';
}
