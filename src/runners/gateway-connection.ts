import { GatewayClient } from '@openclaw/gateway-client';
import { PROTOCOL_VERSION } from '@openclaw/gateway-protocol/version';
import * as z from 'zod';
import type { Clock } from '../domain/clock.ts';
import { cutText } from '../domain/cut-text.ts';
import { messageOf } from '../domain/errors.ts';

const agentEvent = z.object({
  runId: z.string(),
  stream: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
});
export type AgentEvent = z.infer<typeof agentEvent>;

const hello = z.object({
  server: z.object({ version: z.string(), bootId: z.string().default('') }),
});

/** The gateway's greeting on a new connection. `bootId` changes with each start of the gateway. */
export interface GatewayHello {
  readonly version: string;
  readonly bootId: string;
  /** Monotonic time of the greeting, ms. */
  readonly greetedAt: number;
}

/**
 * One connection to the node's gateway; the official client keeps it up. Callers wait for {@link ready}, then send
 * requests on {@link client}. A request whose connection drops rejects, and the caller decides whether to send it
 * again.
 */
export class GatewayConnection {
  readonly client: GatewayClient;
  readonly #clock: Clock;
  readonly #listeners = new Map<string, (event: AgentEvent) => void>();
  readonly #waiting = new Set<() => void>();
  #hello: GatewayHello | undefined;
  #lastError: string | undefined;
  #stopped = false;

  constructor(options: { url: string; token: string | undefined; displayName: string; clock: Clock }) {
    this.#clock = options.clock;
    this.client = new GatewayClient({
      url: options.url,
      ...(options.token !== undefined && { token: options.token }),
      clientDisplayName: options.displayName,
      minProtocol: PROTOCOL_VERSION,
      maxProtocol: PROTOCOL_VERSION,
      onHelloOk: (message) => this.#connected(message),
      onConnectError: (error) => {
        this.#lastError = messageOf(error);
      },
      onReconnectPaused: (info) => {
        this.#lastError = `the gateway refused the connection (${cutText(JSON.stringify(info), 200)})`;
      },
      onClose: (code, reason) => {
        this.#hello = undefined;
        this.#lastError ??= reason || `connection closed (${code})`;
      },
      onEvent: (frame) => this.#dispatch(frame.event, frame.payload),
    });
  }

  start(): void {
    this.client.start();
  }

  /** Closes the connection and ends all waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const done of this.#waiting) done();
    await this.client.stopAndWait({ timeoutMs: 1_000 }).catch(() => {});
  }

  /** The greeting on the current connection; undefined while there is none. */
  get hello(): GatewayHello | undefined {
    return this.#hello;
  }

  /** Why there is no connection, for operators. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Resolves with the greeting as soon as there is a connection; with undefined after `timeoutMs` or on abort. */
  async ready(timeoutMs: number, signal?: AbortSignal): Promise<GatewayHello | undefined> {
    if (this.#hello || this.#stopped || signal?.aborted) return this.#hello;
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.stop();
        signal?.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#clock.timer(timeoutMs, done);
      signal?.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
    });
    return this.#hello;
  }

  /** Passes the run's events to `listener` until the returned function is called. */
  listen(runId: string, listener: (event: AgentEvent) => void): () => void {
    this.#listeners.set(runId, listener);
    return () => this.#listeners.delete(runId);
  }

  #connected(message: unknown): void {
    const parsed = hello.safeParse(message);
    this.#hello = parsed.success ? { ...parsed.data.server, greetedAt: this.#clock.monotonic() } : undefined;
    this.#lastError = parsed.success ? undefined : 'the gateway sent a greeting that clawmesh does not understand';
    for (const done of this.#waiting) done();
  }

  #dispatch(event: string, payload: unknown): void {
    if (event !== 'agent') return;
    const parsed = agentEvent.safeParse(payload);
    if (parsed.success) this.#listeners.get(parsed.data.runId)?.(parsed.data);
  }
}
