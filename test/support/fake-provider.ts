import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request the provider got. `prompt` is the text of the last user message. */
export interface ProviderCall {
  readonly at: number;
  readonly prompt: string;
  /** The whole request, with what was said before in the session. */
  readonly body: string;
  /** True once the client hung up before the answer was complete. */
  aborted: boolean;
}

/**
 * An OpenAI-compatible model server on 127.0.0.1 that the real OpenClaw talks to in tests.
 *
 * The prompt steers it: `PROVIDER 401` or `PROVIDER 500` answers with that status, `PROVIDER HANG` never answers,
 * `PROVIDER HOLD` answers once {@link FakeProvider.release} was called for it, `PROVIDER SLEEP 3000` after that many milliseconds,
 * `PROVIDER SAY <text>` answers with just that text, `PROVIDER TOOL <name> <arguments as JSON>` calls that tool once, and answers with `tool: <its result>`. Anything else is
 * answered at once with `echo: <prompt>`.
 */
export class FakeProvider {
  readonly calls: ProviderCall[] = [];
  /** Answers every prompt with this HTTP status, or with a broken connection. */
  trouble: number | 'reset' | undefined;
  readonly #server: Server;
  readonly #released: string[] = [];
  #release = Promise.withResolvers<void>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port = 0): Promise<FakeProvider> {
    const server = createServer();
    const provider = new FakeProvider(server);
    server.on('request', (req, res) => {
      void provider.#answer(req, res).catch(() => res.destroy());
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return provider;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** The calls whose prompt contains `marker`. */
  callsWith(marker: string): ProviderCall[] {
    return this.calls.filter((call) => call.prompt.includes(marker));
  }

  /** Answers all calls of `PROVIDER HOLD` whose prompt contains `marker`, those to come included. */
  release(marker = ''): void {
    this.#released.push(marker);
    this.#release.resolve();
    this.#release = Promise.withResolvers<void>();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    if (req.method !== 'POST') {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[{"id":"echo"}]}');
      return;
    }
    const body = Buffer.concat(chunks).toString('utf8');
    const prompt = lastUserText(body);
    const call: ProviderCall = { at: Date.now(), prompt, body, aborted: false };
    this.calls.push(call);
    res.on('close', () => {
      call.aborted = !res.writableEnded;
    });

    if (this.trouble === 'reset') {
      res.destroy();
      return;
    }
    const status = this.trouble ?? /PROVIDER (\d{3})/.exec(prompt)?.[1];
    if (status) {
      res.writeHead(Number(status), { 'content-type': 'application/json', 'retry-after': '1' });
      res.end(JSON.stringify({ error: { message: `fake provider says ${status}`, type: 'fake' } }));
      return;
    }
    if (prompt.includes('PROVIDER HANG')) return;
    const held = () => prompt.includes('PROVIDER HOLD') && !this.#released.some((marker) => prompt.includes(marker));
    while (held()) await this.#release.promise;
    const sleepMs = Number(/PROVIDER SLEEP (\d+)/.exec(prompt)?.[1] ?? 0);
    if (sleepMs > 0) await new Promise((resolve) => setTimeout(resolve, sleepMs));
    const [, name, args] = /PROVIDER TOOL (\w+) (\{[^\n]*\})/.exec(prompt) ?? [];
    const result = lastToolResult(body);
    if (name !== undefined && args !== undefined && result === undefined) {
      const call = { index: 0, id: `call-${this.calls.length}`, type: 'function', function: { name, arguments: args } };
      streamReply(res, { tool_calls: [call] }, 'tool_calls');
      return;
    }
    const said = /PROVIDER SAY ([^\n]+)/.exec(prompt)?.[1] ?? `echo: ${prompt.slice(0, 200)}`;
    const text = name === undefined ? said : `tool: ${result?.slice(0, 2_000)}`;
    streamReply(res, { content: text }, 'stop');
  }
}

function streamReply(res: ServerResponse, delta: object, finish: 'stop' | 'tool_calls'): void {
  const base = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'echo' };
  const send = (value: unknown) => res.write(`data: ${JSON.stringify(value)}\n\n`);
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  send({ ...base, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] });
  send({ ...base, choices: [{ index: 0, delta, finish_reason: null }] });
  send({ ...base, choices: [{ index: 0, delta: {}, finish_reason: finish }] });
  send({ ...base, choices: [], usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 } });
  res.end('data: [DONE]\n\n');
}

interface ChatMessage {
  role: string;
  content: string | { type: string; text?: string }[];
}

/** OpenClaw adds messages of its own in the user's role; the prompt is the last one that is not such a block. */
function isPrompt(message: ChatMessage): boolean {
  return message.role === 'user' && !textOf(message).includes('BEGIN_OPENCLAW_INTERNAL_CONTEXT');
}

function lastUserText(body: string): string {
  const prompt = messagesOf(body).findLast(isPrompt);
  return prompt ? textOf(prompt) : '';
}

/** The result of the tool that was called for the last prompt; undefined if none was called. */
function lastToolResult(body: string): string | undefined {
  const messages = messagesOf(body);
  const result = messages.slice(messages.findLastIndex(isPrompt)).findLast(({ role }) => role === 'tool');
  return result && textOf(result);
}

function messagesOf(body: string): ChatMessage[] {
  return (JSON.parse(body) as { messages?: ChatMessage[] }).messages ?? [];
}

function textOf({ content }: ChatMessage): string {
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n');
}
