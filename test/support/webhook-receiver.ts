import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call of the webhook, as it arrived. */
export interface WebhookCall {
  readonly key: string;
  readonly signature: string | undefined;
  readonly body: string;
  readonly at: number;
}

/** What happens to a call: it is accepted, accepted without the caller hearing of it, or refused with this status. */
export type Treatment = 'accept' | 'accept silently' | number;

/** An HTTP server that records the calls of a webhook. */
export class WebhookReceiver {
  /** All accepted calls, repeated ones included. */
  readonly calls: WebhookCall[] = [];
  treat: () => Treatment = () => 'accept';
  readonly #server = createServer((request, response) => void this.#take(request, response));

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook?token=s3cret`;
  }

  /** The tasks in the accepted calls. */
  get tasks(): { id: string; state: string; result: { text: string } | null }[] {
    return this.calls.map(({ body }) => JSON.parse(body).task);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    try {
      for await (const part of request) body += String(part);
    } catch {
      // The caller was killed in the middle of its call.
      return;
    }
    const treatment = this.treat();
    if (typeof treatment === 'number') {
      response.writeHead(treatment).end();
      return;
    }
    const { 'idempotency-key': key, 'clawmesh-signature': signature } = request.headers;
    this.calls.push({ key: String(key), signature: signature?.toString(), body, at: Date.now() });
    if (treatment === 'accept') response.writeHead(204).end();
    else request.socket.destroy();
  }
}
