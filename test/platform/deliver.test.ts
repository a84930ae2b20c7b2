import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { deliver } from '../../src/node/alerts.ts';
import { postJson } from '../../src/platform/deliver.ts';

describe('a webhook', () => {
  let hook: Server;
  let proxy: Server;
  const taken: { url: string; body: string }[] = [];
  const asked: string[] = [];

  const port = (server: Server) => (server.address() as AddressInfo).port;
  const bodyOf = async (request: IncomingMessage) => {
    let body = '';
    for await (const part of request) body += String(part);
    return body;
  };
  beforeEach(async () => {
    taken.length = 0;
    asked.length = 0;
    hook = createServer(async (request, response) => {
      taken.push({ url: request.url ?? '', body: await bodyOf(request) });
      response.end('ok');
    }).listen(0, '127.0.0.1');
    proxy = createServer(async (request, response) => {
      asked.push(request.url ?? '');
      taken.push({ url: request.url ?? '', body: await bodyOf(request) });
      response.end('ok');
    }).listen(0, '127.0.0.1');
    proxy.on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url}`);
      const target = connect(port(hook), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
    });
    await Promise.all([once(hook, 'listening'), once(proxy, 'listening')]);
  });
  afterEach(() => {
    for (const server of [hook, proxy]) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('reaches the webhook through the proxy that the environment names, https through a tunnel', async () => {
    const named = `http://127.0.0.1:${port(proxy)}`;
    await postJson('http://hooks.example.invalid/x', { a: 1 }, { HTTP_PROXY: named });
    expect(taken).toEqual([{ url: 'http://hooks.example.invalid/x', body: '{"a":1}' }]);
    // What answers behind the tunnel speaks no TLS; that it was asked for is what counts.
    await expect(postJson('https://hooks.example.invalid/x', {}, { https_proxy: named })).rejects.toThrow(
      "the webhook can't be reached: ",
    );
    expect(asked.at(-1)).toBe('CONNECT hooks.example.invalid:443');
  });

  it('reaches the webhook directly without a proxy, or if NO_PROXY names its host', async () => {
    const url = `http://127.0.0.1:${port(hook)}/y`;
    await postJson(url, { b: 2 }, {});
    await postJson(url, { b: 2 }, { HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' });
    expect(taken.map(({ url: path }) => path)).toEqual(['/y', '/y']);
  });

  it('reports a webhook that fails or refuses without its address', async () => {
    const secret = 'http://127.0.0.1:1/services/secret';
    await expect(postJson(secret, {}, {})).rejects.toThrow(/^the webhook can't be reached: (?!.*secret).+/);
    hook.removeAllListeners('request').on('request', (_, response) => {
      response.statusCode = 302;
      response.end();
    });
    await expect(postJson(`http://127.0.0.1:${port(hook)}/z`, {}, {})).rejects.toThrow('the webhook has answered 302');
  });

  it('sends the webhook a text without links or mentions, and the summary unchanged', async () => {
    const config = configSchema.parse({ alerts: { webhook: `http://127.0.0.1:${port(hook)}/` } });
    const text = 'a <!channel> & <https://evil.example|b> @here';
    const alert = { kind: 'test', mesh: 'm', state: 'firing', subject: 's', at: '', fix: '<fix>' } as const;
    await deliver(config, { ...alert, text });
    const body = JSON.parse(taken[0]?.body ?? '');
    expect(body.text).toBe(
      '🔴 clawmesh m: a &lt;!channel&gt; &amp; &lt;https://evil.example|b&gt; @\u200bhere\n→ &lt;fix&gt;',
    );
    expect(body).toMatchObject({ summary: text, mrkdwn: false });
  });
});
