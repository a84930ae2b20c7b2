import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import * as z from 'zod';

const frameSchema = z.object({
  type: z.literal('req'),
  id: z.string(),
  method: z.string(),
  params: z
    .object({
      idempotencyKey: z.string().optional(),
      sessionKey: z.string().optional(),
      agentId: z.string().optional(),
      key: z.string().optional(),
      runId: z.string().optional(),
    })
    .loose()
    .default({}),
});
type Frame = z.infer<typeof frameSchema>;
type Answer = (payload: Record<string, unknown>) => void;

interface StandInRun {
  readonly runId: string;
  readonly session: string;
  end: Record<string, unknown> | undefined;
  /** Requests that wait for the end. */
  readonly waiting: Answer[];
}

/**
 * Speaks OpenClaw's protocol to the official client, as far as clawmesh uses it, so that a test can say when what happens.
 * Whether OpenClaw does the same is for the tests with the real one.
 */
export class StandInGateway {
  /** What was asked, the handshake left out. */
  readonly requests: { readonly method: string; readonly params: Frame['params'] }[] = [];
  /** How an abort is answered: for real, with an error of this code, or not at all. */
  aborts: 'answered' | 'silent' | { readonly code: string; readonly message: string } = 'answered';
  /** How many submissions are turned away before one is taken, as while the gateway starts. */
  turnAway = 0;
  /** The channels that it has running, each with its accounts. */
  channels: Readonly<Record<string, readonly string[]>> = {};
  /** How a message is answered: for real, with an error of this code, or not at all. */
  sends: 'answered' | 'silent' | { readonly code: string; readonly message: string; readonly details?: unknown } =
    'answered';
  /** Sessions whose interrupted turn has yet to be resumed, or to be given up. */
  readonly interrupted = new Set<string>();
  #boot = randomUUID();
  #open = true;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #runs = new Map<string, StandInRun>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<StandInGateway> {
    const server = createServer();
    const gateway = new StandInGateway(server);
    server.on('upgrade', (request: IncomingMessage, socket: Socket) => gateway.#connected(request, socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get boot(): string {
    return this.#boot;
  }

  /** Names of the active runs. */
  get running(): string[] {
    return [...this.#runs.values()].filter(({ end }) => !end).map(({ runId }) => runId);
  }

  asked(method: string): Frame['params'][] {
    return this.requests.filter((request) => request.method === method).map(({ params }) => params);
  }

  /** Drops all connections and takes no new ones. */
  shut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#open = true;
  }

  /** Another boot, which knows no keys any more. */
  restart(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#boot = randomUUID();
    this.#runs.clear();
  }

  /** Resumes the session's interrupted turn under a new name, as OpenClaw does some time after its start. */
  resume(session: string): void {
    this.interrupted.delete(session);
    this.#begin(`resumed-${session}`, session);
  }

  finish(runId: string): void {
    this.#end(runId, { runId, status: 'ok', result: { payloads: [{ text: 'done' }] } });
  }

  async stop(): Promise<void> {
    this.shut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connected(request: IncomingMessage, socket: Socket): void {
    if (!this.#open) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = readFrames(Buffer.concat([rest, chunk]), (text) =>
        this.#asked(frameSchema.parse(JSON.parse(text)), socket),
      );
    });
    send(socket, { type: 'event', event: 'connect.challenge', payload: { nonce: 'n', ts: Date.now() } });
  }

  #asked({ id, method, params }: Frame, socket: Socket): void {
    const answer: Answer = (payload) => send(socket, { type: 'res', id, ok: true, payload });
    const refuse = (error: {
      code: string;
      message: string;
      details?: unknown;
      retryable?: boolean;
      retryAfterMs?: number;
    }) => send(socket, { type: 'res', id, ok: false, error });
    if (method === 'connect') {
      answer(this.#hello());
      return;
    }
    this.requests.push({ method, params });
    if (method === 'agent') {
      if (this.turnAway > 0) {
        this.turnAway--;
        refuse({ code: 'UNAVAILABLE', message: 'gateway is draining for restart', retryAfterMs: 10 });
      } else this.#submit(params, answer);
    }
    if (method === 'channels.status') {
      const accounts = Object.entries(this.channels).map(([channel, ids]) => [
        channel,
        ids.map((accountId) => ({ accountId, enabled: true, running: true })),
      ]);
      answer({ ts: 1, channels: {}, channelAccounts: Object.fromEntries(accounts) });
    }
    if (method === 'send' && this.sends !== 'silent') {
      if (this.sends === 'answered') answer({ runId: params.idempotencyKey, messageId: 'm1' });
      else refuse(this.sends);
    }
    if (method === 'agent.wait') this.#wait(params, answer);
    if (method === 'sessions.describe') {
      const key = params.key ?? '';
      const runs = [...this.#runs.values()].some(({ session, end }) => session === key && !end);
      answer({ session: { key, status: runs || this.interrupted.has(key) ? 'running' : 'killed' } });
    }
    if (method === 'sessions.abort' && this.aborts !== 'silent') {
      if (this.aborts === 'answered') answer({ ok: true, status: this.#abort(params) ? 'aborted' : 'no-active-run' });
      else refuse(this.aborts);
    }
  }

  #submit(params: Frame['params'], answer: Answer): void {
    const runId = params.idempotencyKey ?? '';
    const known = this.#runs.get(runId);
    if (known) {
      answer(known.end ?? { runId, status: 'in_flight' });
      return;
    }
    const run = this.#begin(runId, params.sessionKey ?? '');
    answer({ runId, status: 'accepted' });
    run.waiting.push(answer);
  }

  #wait({ runId }: Frame['params'], answer: Answer): void {
    const run = this.#runs.get(runId ?? '');
    const ended = (end: Record<string, unknown>) => answer({ ...end, endedAt: 1 });
    if (run?.end) ended(run.end);
    else run?.waiting.push(ended);
  }

  #begin(runId: string, session: string): StandInRun {
    const run: StandInRun = { runId, session, end: undefined, waiting: [] };
    this.#runs.set(runId, run);
    return run;
  }

  #abort({ key, runId }: Frame['params']): boolean {
    const hit = [...this.#runs.values()].filter(
      (run) => !run.end && run.session === key && (runId === undefined || runId === run.runId),
    );
    for (const run of hit) this.#end(run.runId, { runId: run.runId, status: 'error', error: 'aborted' });
    return hit.length > 0;
  }

  #end(runId: string, end: Record<string, unknown>): void {
    const run = this.#runs.get(runId);
    if (!run || run.end) throw new Error(`no run ${runId} is active`);
    run.end = end;
    for (const answer of run.waiting) answer(end);
  }

  #hello(): Record<string, unknown> {
    return {
      type: 'hello-ok',
      protocol: 4,
      server: { version: '2026.9.6', connId: randomUUID(), bootId: this.#boot },
      features: { methods: [], events: [] },
      snapshot: {},
      auth: { role: 'operator', scopes: [] },
      policy: { maxPayload: 26_214_400, maxBufferedBytes: 52_428_800, tickIntervalMs: 30_000 },
    };
  }
}

function send(socket: Socket, value: unknown): void {
  const data = Buffer.from(JSON.stringify(value));
  const head =
    data.length < 126
      ? Buffer.from([0x81, data.length])
      : Buffer.from([0x81, 126, data.length >> 8, data.length & 255]);
  if (!socket.destroyed) socket.write(Buffer.concat([head, data]));
}

/** Reads the whole text frames of a client, which are masked; answers what is left of the last one. */
function readFrames(data: Buffer, onText: (text: string) => void): Buffer {
  for (;;) {
    if (data.length < 6) return data;
    const short = (data[1] ?? 0) & 127;
    const head = short === 126 ? 8 : short === 127 ? 14 : 6;
    if (data.length < head) return data;
    const length = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
    if (data.length < head + length) return data;
    const mask = data.subarray(head - 4, head);
    const text = Buffer.from(data.subarray(head, head + length)).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    if (((data[0] ?? 0) & 15) === 1) onText(Buffer.from(text).toString('utf8'));
    data = data.subarray(head + length);
  }
}
